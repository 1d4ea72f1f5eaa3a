import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { add, columns, gatherRows } from '../../src/kernels/reference/rows.ts';

const kernel = suite('rows');
const table = Float32Array.from({ length: 4 * 3 }, (_, i) => i);

kernel('law: gathering takes rows in the order asked for, repeated ones too', () => {
  const y = new Float32Array(9);
  gatherRows(y, table, [3, 0, 3], 3);
  assert.equal(Array.from(y), [9, 10, 11, 0, 1, 2, 9, 10, 11]);
});

kernel('law: columns are cut out of every row', () => {
  const y = new Float32Array(8);
  columns(y, table, 1, 2, 4, 3);
  assert.equal(Array.from(y), [1, 2, 4, 5, 7, 8, 10, 11]);
});

kernel('law: addition rounds once, in the given range, in place too', () => {
  const [x, y] = [Float32Array.of(0.1, 1, 2 ** 24), Float32Array.of(0.2, 2, 1)];
  const target = new Float32Array(3).fill(-7);
  add(target, x, y, 1, 3);
  assert.equal(Array.from(target), [-7, 3, 2 ** 24]);
  add(x, x, y, 0, 1);
  assert.is(x[0], Math.fround(Math.fround(0.1) + Math.fround(0.2)));
});

kernel.run();
