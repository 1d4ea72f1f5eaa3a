/** Hands on the activations of a prompt that goes through the model in chunks, as runs of elements
 *  of the whole tensors, so that a trace can be put together in memory or in a file.
 *
 *  Rows of a chunk stand where its first position says; attention maps of a chunk fill the rows of
 *  the whole map, whose later keys are masked, and `….query_rotated` and `.key_rotated` [H, T, D]
 *  grow along T. Chunks change no bit, so the result is that of a single pass. */

import { MASKED_SCORE } from '../kernels/kernels.ts';
import { elementCount } from '../tensor/tensor.ts';
import type { Trace, TraceTensor } from '../verify/trace.ts';
import type { Activation } from './engine.ts';

/** Consecutive elements of a tensor. */
export interface TraceRun {
  readonly name: string;
  /** Of the whole tensor. */
  readonly shape: readonly number[];
  /** Row-major index of the first element. */
  readonly start: number;
  /** Valid until what takes it is done. */
  readonly values: Float32Array;
}

/** Takes every element of every tensor once. */
export type TraceSink = (run: TraceRun) => void | Promise<void>;

/** What attention maps hold beyond the keys that a query sees. */
const HIDDEN: Readonly<Record<string, number>> = { scores: MASKED_SCORE, probs: 0 };

/** The runs of one activation of a chunk.
 *  @param T tokens of the whole prompt @param position of the chunk's first token */
export function* runsOf(activation: Activation, T: number, position: number): Generator<TraceRun> {
  const { name, shape: chunk, values } = activation;
  const { shape, axis, hidden } = layoutOf(activation, T);
  const rows = chunk[axis];
  const [width, wholeWidth] = [chunk, shape].map((s) => elementCount(s.slice(axis + 1)));
  const parts = axis === 0 ? 1 : chunk[0];
  for (let part = 0; part < parts; part++) {
    const own = values.subarray(part * rows * width, (part + 1) * rows * width);
    const start = (part * shape[axis] + position) * wholeWidth;
    yield { name, shape, start, values: widened(own, { width, wholeWidth, hidden }) };
  }
}

interface Layout {
  /** Of the whole prompt. */
  readonly shape: readonly number[];
  /** Which axis is T: behind the heads in what attention shows, else the first. */
  readonly axis: 0 | 1;
  /** What stands where nothing is recorded. */
  readonly hidden: number;
}

function layoutOf({ name, shape }: Activation, T: number): Layout {
  const leaf = name.slice(name.lastIndexOf('.') + 1);
  const hidden = HIDDEN[leaf];
  if (hidden !== undefined) return { shape: [shape[0], T, T], axis: 1, hidden };
  if (leaf.endsWith('_rotated')) return { shape: [shape[0], T, shape[2]], axis: 1, hidden: 0 };
  return { shape: [T, ...shape.slice(1)], axis: 0, hidden: 0 };
}

/** Rows of the whole width: a row of a chunk does not see the keys that come later. */
function widened(
  rows: Float32Array,
  { width, wholeWidth, hidden }: { width: number; wholeWidth: number; hidden: number },
): Float32Array {
  if (width === wholeWidth) return rows;
  const count = rows.length / width;
  const wide = new Float32Array(count * wholeWidth).fill(hidden);
  for (let row = 0; row < count; row++) {
    wide.set(rows.subarray(row * width, (row + 1) * width), row * wholeWidth);
  }
  return wide;
}

/** Puts a trace together in memory. */
export function createRecorder(ids: readonly number[]): { sink: TraceSink; trace(): Trace } {
  const tensors = new Map<string, TraceTensor>();
  return {
    sink({ name, shape, start, values }) {
      const tensor = tensors.get(name) ?? {
        ...{ name, shape, values: new Float32Array(elementCount(shape)) },
      };
      tensors.set(name, tensor);
      tensor.values.set(values, start);
    },
    trace: () => ({ inputIds: [...ids], tensors }),
  };
}
