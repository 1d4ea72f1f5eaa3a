/** Attention over int8 blocks, with integer dot products, step by step as the kernel does it: the
 *  same bits. Everything is rounded to float32 but the sum of the exponentials.
 *
 *      score[s] = (Σᵢ q[i] · k[s, i]) · (factor · keyScale[s]),  factor = queryScale · scale
 *      x[s]     = score[s] + slope · (s − t),  e[s] = e^(x[s] − max)
 *      y        = Σ_blocks (Σ_s w[s] · v[s]) · blockScale / Σ e[s]
 *
 *  The query is quantized like a key. w is e · valueScale as an integer of 14 bits, relative to the
 *  greatest of its block. Σ e runs in float64 over the lanes s mod 4. How far all this is from the
 *  formula over the dequantized cache is bounded by the steps of the two quantizations. */

import { exp32 } from '../../math/index.ts';
import { BLOCK_POSITIONS, MASKED_SCORE } from '../kernels.ts';
import { quantizeRow } from './append-key-value.ts';
import {
  keyIndexInt8,
  keyScaleIndex,
  valueIndexInt8,
  valueScaleIndex,
} from './key-value-layout.ts';

const fround = Math.fround;

/** The greatest integer weight. */
const GREATEST_WEIGHT = 16383;
/** Blocks whose greatest weight is below this are passed over. */
const LEAST_WEIGHT = 2 ** -112;

/** Heads `headStart` to `headEnd`.
 *  @param y `[T, H, D]` (overwritten in those heads) @param q `[T, H, D]`
 *  @param table blocks, oldest first @param slopes `[H]`, or null for no bias
 *  @param scores,probs `[H, T, S]` (overwritten in those heads), or null */
export function attentionInt8(
  y: Float32Array,
  q: Float32Array,
  table: readonly Int8Array[],
  H: number,
  D: number,
  position: number,
  count: number,
  scale: number,
  slopes: Float32Array | null,
  scores: Float32Array | null,
  probs: Float32Array | null,
  headStart: number,
  headEnd: number,
): void {
  const S = position + count;
  for (let h = headStart; h < headEnd; h++) {
    const slope = slopes === null ? 0 : slopes[h];
    for (let t = 0; t < count; t++) {
      const visible = position + t + 1;
      const row = (t * H + h) * D;
      const dots = scaledDots(q.subarray(row, row + D), table, D, h, visible, scale);
      const x = dots.map((dot, s) => dot + fround(slope * (s - (visible - 1))));
      const { weights, sum } = exponentials(x);
      weighValues(y.subarray(row, row + D), weights, table, H, D, h);
      for (let i = 0; i < D; i++) y[row + i] /= sum;
      const at = (h * count + t) * S;
      for (let s = 0; s < S; s++) {
        const isSeen = s < visible;
        if (scores !== null) scores[at + s] = isSeen ? dots[s] + fround(slope * s) : MASKED_SCORE;
        if (probs !== null) probs[at + s] = isSeen ? weights[s] / sum : 0;
      }
    }
  }
}

/** q · k · scale of every visible position, without the bias. */
function scaledDots(
  query: Float32Array,
  table: readonly Int8Array[],
  D: number,
  h: number,
  visible: number,
  scale: number,
): Float32Array {
  const { q, scale: queryScale } = quantizeRow(query);
  const factor = fround(queryScale * fround(scale));
  return Float32Array.from({ length: visible }, (_, s) => {
    const block = table[Math.floor(s / BLOCK_POSITIONS)];
    const slot = s % BLOCK_POSITIONS;
    let dot = 0;
    for (let i = 0; i < D; i++) dot += q[i] * block[keyIndexInt8(D, h, slot, i)];
    return fround(dot) * fround(factor * floatAt(block, keyScaleIndex(D, h, slot)));
  });
}

/** e^(x − max), and its sum: four partial sums in float64, added as (0 + 1) + (2 + 3). */
function exponentials(x: Float32Array): { weights: Float32Array; sum: number } {
  const max = x.reduce((greatest, value) => Math.max(greatest, value), Number.NEGATIVE_INFINITY);
  const weights = x.map((value) => exp32(fround(value - max)));
  const lanes = [0, 0, 0, 0];
  for (let s = 0; s < weights.length; s++) lanes[s % 4] += weights[s];
  return { weights, sum: fround(lanes[0] + lanes[1] + (lanes[2] + lanes[3])) };
}

/** y[i] = Σ_blocks (Σ_s w[s] · v[s, i]) · blockScale. */
function weighValues(
  y: Float32Array,
  weights: Float32Array,
  table: readonly Int8Array[],
  H: number,
  D: number,
  h: number,
): void {
  y.fill(0);
  for (let start = 0; start < weights.length; start += BLOCK_POSITIONS) {
    const block = table[start / BLOCK_POSITIONS];
    const scaled = weights
      .subarray(start, start + BLOCK_POSITIONS)
      .map((weight, slot) =>
        weight === 0 ? 0 : weight * floatAt(block, valueScaleIndex(H, D, h, slot)),
      );
    const greatest = scaled.reduce((max, value) => Math.max(max, value), 0);
    if (greatest < LEAST_WEIGHT) continue;
    const inverse = fround(GREATEST_WEIGHT / greatest);
    const integers = scaled.map((weight) => roundHalfEven(fround(weight * inverse)));
    const blockScale = fround(greatest / GREATEST_WEIGHT);
    for (let i = 0; i < D; i++) {
      let sum = 0;
      for (let slot = 0; slot < integers.length; slot++) {
        sum += integers[slot] * block[valueIndexInt8(H, D, h, slot, i)];
      }
      y[i] += fround(fround(sum) * blockScale);
    }
  }
}

/** The nearest integer of a number that is not negative, the even one of two. */
function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (floor % 2) : Math.round(x);
}

/** The float32 at a byte of a block. */
function floatAt(block: Int8Array, index: number): number {
  return new DataView(block.buffer, block.byteOffset).getFloat32(index, true);
}
