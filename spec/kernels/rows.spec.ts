import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { add, columns } from '../../src/kernels/reference/rows.ts';
import { expectSame, kernelMemories } from '../support/kernel-memory.ts';
import { randomSource } from '../support/random.ts';

const kernel = suite('rows');
const table = Float32Array.from({ length: 4 * 3 }, (_, i) => i);

kernel('law: columns are cut out of every row of the range', () => {
  const y = new Float32Array(8).fill(-7);
  columns(y, table, 1, 2, 3, 0, 4);
  assert.equal(Array.from(y), [1, 2, 4, 5, 7, 8, 10, 11]);
  y.fill(-7);
  columns(y, table, 0, 2, 3, 1, 3);
  assert.equal(Array.from(y), [-7, -7, 3, 4, 6, 7, -7, -7]);
});

kernel('law: addition rounds once, in the given range, in place too', () => {
  const [x, y] = [Float32Array.of(0.1, 1, 2 ** 24), Float32Array.of(0.2, 2, 1)];
  const target = new Float32Array(3).fill(-7);
  add(target, x, y, 1, 3);
  assert.equal(Array.from(target), [-7, 3, 2 ** 24]);
  add(x, x, y, 0, 1);
  assert.is(x[0], Math.fround(Math.fround(0.1) + Math.fround(0.2)));
});

for (const [build, memory] of Object.entries(kernelMemories(4))) {
  kernel(`pair: ${build} add agrees bit for bit, at every length, alignment and start`, () => {
    for (let length = 0; length <= 40; length++) {
      const start = length % 5;
      const end = start + length;
      const random = randomSource(length);
      const [x, y] = [random.signed(end + 2, 1e3), random.signed(end + 2)];
      const targets = [x, y, random.signed(end + 2)];
      targets.forEach((target, which) => {
        const expected = target.slice();
        add(expected, x, y, start, end);
        memory.reset();
        const shift = 4 * (length % 4);
        const pointers = [memory.put(x, shift), memory.put(y, 12 - shift), memory.put(target, 4)];
        memory.kernels.add(pointers[which], pointers[0], pointers[1], start, end);
        expectSame(memory.floats(pointers[which], end + 2), expected, `${which}, ${length}`);
        memory.expectMargins(`length ${length}`);
      });
    }
  });

  kernel(`pair: ${build} columns agrees bit for bit, at every width, place and range`, () => {
    for (let count = 0; count <= 40; count++) {
      const [T, C, start] = [5, count + (count % 4), count % 4];
      const x = randomSource(count).signed(T * C);
      const expected = new Float32Array(T * count).fill(-7);
      const untouched = expected.slice();
      columns(expected, x, start, count, C, 1, 4);
      memory.reset();
      const [xPtr, yPtr] = [memory.put(x, 4 * (count % 4)), memory.put(untouched, 8)];
      memory.kernels.columns(yPtr, xPtr, start, count, C, 1, 4);
      expectSame(memory.floats(yPtr, T * count), expected, `count ${count}`);
      memory.expectMargins(`count ${count}`);
    }
  });
}

kernel.run();
