/** The reference kernel set: the mirrors of this folder over tensors. Plain loops, float32 tensors,
 *  float64 sums; every other kernel set is measured against it. */

import { Arena } from '../../tensor/arena.ts';
import { expectShape } from '../../tensor/shape.ts';
import { float32, type Tensor } from '../../tensor/tensor.ts';
import {
  type AttentionOptions,
  BLOCK_POSITIONS,
  type Kernels,
  type KeyValueBlock,
  type KeyValueView,
} from '../kernels.ts';
import { attention } from './attention.ts';
import { gatherF32 } from './gather.ts';
import { linear } from './linear.ts';
import {
  createReferenceLinear,
  createReferenceTable,
  createReferenceVector,
  type ReferenceLinearWeight,
  type ReferenceTable,
  tableRows,
} from './parameters.ts';
import { rmsNorm } from './rms-norm.ts';
import { rotateHalves } from './rotate-halves.ts';
import { add, columns } from './rows.ts';
import { siluMul } from './silu-mul.ts';

export interface ReferenceOptions {
  /** Makes the use of released tensors an error, at some cost. */
  readonly debug?: boolean | undefined;
  /** How activations meet quantized weights: as float32 by default, or in groups of int8. */
  readonly activations?: 'exact' | 'fast' | undefined;
}

interface ReferenceBlock extends KeyValueBlock {
  /** `[H, 64, D]` each. */
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** The reference kernels, with one arena for everything. */
export function createReferenceKernels(options: ReferenceOptions = {}): Kernels {
  const { debug, activations = 'exact' } = options;
  const arena = new Arena({ debug });
  return {
    name: 'reference',
    arenas: [arena],
    arenaOf: () => arena,
    moveTo: (_, x) => x,

    createLinear: createReferenceLinear,
    createTable: createReferenceTable,
    createVector: createReferenceVector,

    embedding(tokenIds, table) {
      const y = arena.allocate([tokenIds.length, table.columns]);
      float32(y).set(tableRows(table as ReferenceTable, tokenIds));
      return y;
    },

    rmsNorm(x, weight, eps) {
      const { T, C } = expectShape('x', x, { T: 'any', C: 'any' });
      const y = arena.allocate([T, C]);
      rmsNorm(float32(y), float32(x), float32(weight), eps, C, 0, T);
      return y;
    },

    linear(x, weight) {
      const { T } = expectShape('x', x, { T: 'any', inFeatures: weight.inFeatures });
      const y = arena.allocate([T, weight.outFeatures]);
      linear(float32(y), float32(x), weight as ReferenceLinearWeight, T, activations);
      return y;
    },

    add(x, y, target) {
      const targetData = float32(target);
      add(targetData, float32(x), float32(y), 0, targetData.length);
    },

    columns(x, start, count) {
      const { T, C } = expectShape('x', x, { T: 'any', C: 'any' });
      const y = arena.allocate([T, count]);
      columns(float32(y), float32(x), start, count, C, 0, T);
      return y;
    },

    gatherRows: (x, rows) => selectRows(arena, x, rows),

    rotateHalves(x, cos, sin) {
      const { T, H, D } = expectShape('x', x, { T: 'any', H: 'any', D: 'any' });
      const y = arena.allocate([T, H, D]);
      rotateHalves(float32(y), float32(x), float32(cos), float32(sin), H, D, 0, T);
      return y;
    },

    siluMul(gate, up, activated) {
      const y = arena.allocate(gate.shape);
      const yData = float32(y);
      const activatedData = activated && float32(activated);
      siluMul(yData, float32(gate), float32(up), activatedData, 0, yData.length);
      return y;
    },

    createBlock: (_, heads, headDim) => createReferenceBlock(heads, headDim),

    copyBlock(source, target) {
      const [from, to] = [source as ReferenceBlock, target as ReferenceBlock];
      to.keys.set(from.keys);
      to.values.set(from.values);
    },

    appendKeyValue,

    attention: runAttention,
  };
}

function selectRows(arena: Arena, x: Tensor, rows: readonly number[]): Tensor {
  const { C } = expectShape('x', x, { R: 'any', C: 'any' });
  const y = arena.allocate([rows.length, C]);
  gatherF32(float32(y), float32(x), Uint32Array.from(rows), C, 0, rows.length);
  return y;
}

function createReferenceBlock(heads: number, headDim: number): ReferenceBlock {
  const length = heads * BLOCK_POSITIONS * headDim;
  const [keys, values] = [new Float32Array(length), new Float32Array(length)];
  return { heads, headDim, keys, values };
}

/** Token t of the pass goes to position `position + t`, head-major within its block. */
function appendKeyValue(key: Tensor, value: Tensor, cache: KeyValueView): void {
  const { H, D } = expectShape('key', key, { T: cache.count, H: 'any', D: 'any' });
  expectShape('value', value, { T: cache.count, H, D });
  const [keyData, valueData] = [float32(key), float32(value)];
  for (let row = 0; row < cache.count * H; row++) {
    const [t, h] = [Math.floor(row / H), row % H];
    const s = cache.position + t;
    const block = cache.blocks[Math.floor(s / BLOCK_POSITIONS)] as ReferenceBlock;
    const target = (h * BLOCK_POSITIONS + (s % BLOCK_POSITIONS)) * D;
    block.keys.set(keyData.subarray(row * D, (row + 1) * D), target);
    block.values.set(valueData.subarray(row * D, (row + 1) * D), target);
  }
}

function runAttention(q: Tensor, cache: KeyValueView, options: AttentionOptions, y: Tensor): void {
  const { position, count } = cache;
  const { H, D } = expectShape('q', q, { T: count, H: 'any', D: 'any' });
  const blocks = cache.blocks as readonly ReferenceBlock[];
  const cached = { keys: blocks.map(({ keys }) => keys), values: blocks.map((b) => b.values) };
  const shape = { H, D, position, count, scale: options.scale, slopes: options.slopes };
  const { scores, probs } = options.observe;
  const observe = { scores: scores && float32(scores), probs: probs && float32(probs) };
  attention(float32(y), float32(q), cached, shape, observe, 0, H);
}
