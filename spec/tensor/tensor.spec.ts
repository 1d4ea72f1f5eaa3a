import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  createTensor,
  elementCount,
  float32,
  reshape,
  sliceRows,
  swapFirstAxes,
  tensorOf,
} from '../../src/tensor/tensor.ts';

const tensor = suite('tensor');
const counting = (...shape: number[]) =>
  tensorOf(
    Float32Array.from({ length: elementCount(shape) }, (_, i) => i),
    shape,
  );

tensor('law: a new tensor is all zeros and has memory of its own', () => {
  const [first, second] = [createTensor([2, 3]), createTensor([2, 3])];
  float32(first).fill(1);
  assert.equal(float32(second), new Float32Array(6));
});

tensor('law: views share memory and follow a memory that is replaced', () => {
  const memory = { buffer: new ArrayBuffer(16) };
  const handle = { dtype: 'F32', shape: [2], memory, byteOffset: 8 } as const;
  const grown = new ArrayBuffer(32);
  new Float32Array(grown, 8, 2).set([5, 6]);
  memory.buffer = grown;
  assert.equal(Array.from(float32(handle)), [5, 6]);
});

tensor('law: row slices share bytes and keep the other axes', () => {
  const x = counting(4, 2, 3);
  const rows = sliceRows(x, 1, 3);
  assert.equal(rows.shape, [2, 2, 3]);
  assert.equal(
    Array.from(float32(rows)),
    Array.from({ length: 12 }, (_, i) => i + 6),
  );
  float32(rows)[0] = -1;
  assert.is(float32(x)[6], -1);
  assert.is(float32(sliceRows(x, 4, 4)).length, 0);
});

tensor('law: a reshaped tensor has the same numbers in the same order', () => {
  assert.equal(Array.from(float32(reshape(counting(2, 6), [4, 3]))), [...Array(12).keys()]);
});

tensor('law: exchanging the first two axes twice gives the tensor back', () => {
  const x = counting(2, 3, 4);
  const swapped = swapFirstAxes(x);
  assert.equal(swapped.shape, [3, 2, 4]);
  assert.equal(Array.from(float32(swapped)).slice(0, 8), [0, 1, 2, 3, 12, 13, 14, 15]);
  assert.equal(float32(swapFirstAxes(swapped)), float32(x));
});

tensor('error: values, shapes and rows that do not fit are refused with both sizes', () => {
  assert.throws(() => tensorOf(new Float32Array(5), [2, 3]), /shape-mismatch: 5 values .*\[2, 3\]/);
  assert.throws(() => reshape(counting(2, 3), [4]), /shape-mismatch: \[2, 3\] .* \[4\]/);
  assert.throws(() => sliceRows(counting(4, 1), 2, 5), /shape-mismatch: Rows 2 to 5 .* 4 rows/);
  assert.throws(() => sliceRows(counting(4, 1), 3, 2), /shape-mismatch: Rows 3 to 2/);
});

tensor.run();
