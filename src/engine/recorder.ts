/** Puts the activations of a prompt together that goes through the model in chunks.
 *
 *  Rows of a chunk are appended; attention maps of a chunk fill the rows of the whole map, whose
 *  later keys are masked, and `….query_rotated` and `.key_rotated` [H, T, D] grow along T. Chunks
 *  change no bit, so the result is that of a single pass. */

import { MASKED_SCORE } from '../kernels/kernels.ts';
import { elementCount } from '../tensor/tensor.ts';
import type { Trace, TraceTensor } from '../verify/trace.ts';
import type { Activation } from './engine.ts';

export interface Recorder {
  /** Takes an activation of the present chunk. */
  record(activation: Activation): void;
  /** Where the next chunk starts. */
  position: number;
  trace(): Trace;
}

/** What attention maps hold beyond the keys that a query sees. */
const HIDDEN: Readonly<Record<string, number>> = { scores: MASKED_SCORE, probs: 0 };

/** Joins the activations of `ids`. */
export function createRecorder(ids: readonly number[]): Recorder {
  const tensors = new Map<string, TraceTensor>();
  const recorder: Recorder = {
    record(activation) {
      const { name, segment } = activation;
      const layout = layoutOf(activation, ids.length);
      const whole = tensors.get(name) ?? emptyTensor(name, layout);
      tensors.set(name, whole);
      copyRows(activation, whole, layout.axis, segment?.position ?? recorder.position);
    },
    position: 0,
    trace: () => ({ inputIds: [...ids], tensors }),
  };
  return recorder;
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

function emptyTensor(name: string, { shape, hidden }: Layout): TraceTensor {
  const values = new Float32Array(elementCount(shape));
  return { name, shape, values: hidden === 0 ? values : values.fill(hidden) };
}

/** Copies the rows of a chunk to `position` and after, for every index of the axes before T. A row
 *  of a chunk may be shorter: it does not see the keys that come later. */
function copyRows(chunk: Activation, whole: TraceTensor, axis: 0 | 1, position: number): void {
  const source = chunk.values;
  const [rows, T] = [chunk.shape[axis], whole.shape[axis]];
  const [width, wholeWidth] = [chunk.shape, whole.shape].map((s) =>
    elementCount(s.slice(axis + 1)),
  );
  for (let row = 0; row < source.length / width; row++) {
    const target = (Math.floor(row / rows) * T + position + (row % rows)) * wholeWidth;
    whole.values.set(source.subarray(row * width, (row + 1) * width), target);
  }
}
