import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expectShape } from '../../src/tensor/shape.ts';
import { createTensor } from '../../src/tensor/tensor.ts';

const shape = suite('shape');

shape('law: lengths come back by the names of the axes', () => {
  assert.equal(expectShape('x', createTensor([5, 3, 2]), { T: 'any', H: 3, D: 'any' }), {
    T: 5,
    H: 3,
    D: 2,
  });
});

shape('error: swapped axes, a missing axis and an additional one are named', () => {
  const expected = { T: 'any', C: 4 } as const;
  for (const found of [[4, 5], [4], [1, 4, 1], []]) {
    assert.throws(
      () => expectShape('x', createTensor(found), expected),
      new RegExp(
        `shape-mismatch: x: Expected shape \\[T, C=4\\], found \\[${found.join(', ')}\\]\\. Pass`,
      ),
    );
  }
});

shape.run();
