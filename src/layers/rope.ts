/** Rotary positions (7B): the query and key of position p are turned, pair by pair, by the angle
 *
 *      θ[p, i] = p · inv_freq[i],   inv_freq[i] = base^(−2i/D),   i = 0 … D/2 − 1
 *
 *  Channel i is paired with channel i + D/2 (halves, not neighbours). As published, inv_freq and
 *  the angle are rounded to float32 before the cosine and sine are taken: exact angles would differ
 *  by 1.4e-4 at position 4095. 13B uses alibi.ts instead.
 *  Source: "RoFormer", Su et al. 2021, section 3.2.2; baichuan-inc/Baichuan-7B,
 *  modeling_baichuan.py, class RotaryEmbedding. */

import { cos, pow, sin } from '../math/index.ts';
import { expectShape } from '../tensor/shape.ts';
import { createTensor, float32, type Tensor } from '../tensor/tensor.ts';
import type { LayerContext, Segment } from './context.ts';

export interface RotaryTables {
  readonly cos: Tensor; // [T, D/2]
  readonly sin: Tensor; // [T, D/2]
}

/** base^(−2i/D) for every pair, rounded as the published float32 code rounds.
 *  @param headDim D, even @param base 10000 as published @returns `[D/2]` */
export function inverseFrequencies(headDim: number, base: number): Float32Array {
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const power = Math.fround(pow(base, Math.fround((2 * i) / headDim)));
    return 1 / power;
  });
}

/** Cosines and sines for every row of a pass.
 *  @param segments the rows' positions @param headDim D @param base of the frequencies */
export function rotaryTables(
  segments: readonly Segment[],
  headDim: number,
  base: number,
): RotaryTables {
  const frequencies = inverseFrequencies(headDim, base);
  const T = segments.reduce((rows, { count }) => rows + count, 0);
  const tables = { cos: createTensor([T, headDim / 2]), sin: createTensor([T, headDim / 2]) };
  const [cosines, sines] = [float32(tables.cos), float32(tables.sin)];
  for (const { start, count, position } of segments) {
    for (let t = 0; t < count; t++) {
      frequencies.forEach((frequency, i) => {
        const angle = Math.fround((position + t) * frequency);
        cosines[(start + t) * frequencies.length + i] = cos(angle);
        sines[(start + t) * frequencies.length + i] = sin(angle);
      });
    }
  }
  return tables;
}

/** Turns every head of every token by its position.
 *  @param x queries or keys `[T, H, D]` @param tables of this pass @returns `[T, H, D]`
 *  @throws shape-mismatch */
export function rope(x: Tensor, tables: RotaryTables, context: LayerContext): Tensor {
  const { T, D } = expectShape('x', x, { T: 'any', H: 'any', D: context.config.headDim });
  expectShape('cos', tables.cos, { T, half: D / 2 });
  expectShape('sin', tables.sin, { T, half: D / 2 });
  return context.kernels.rotateHalves(x, tables.cos, tables.sin);
}
