import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Arena } from '../../src/tensor/arena.ts';
import { float32 } from '../../src/tensor/tensor.ts';

const arena = suite('arena');

arena('law: tensors alive at the same time never overlap, whatever their sizes', () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(lengths, (sizes) => {
      const memory = new Arena();
      const tensors = sizes.map((size, index) => {
        const tensor = memory.allocate([size]);
        float32(tensor).fill(index);
        return tensor;
      });
      tensors.forEach((tensor, index) => {
        assert.ok(float32(tensor).every((value) => value === index));
      });
    }),
    { seed: 1, numRuns: 30 },
  );
});

arena('law: released memory is used again, so a repeated pass needs no more', () => {
  const memory = new Arena();
  const pass = () => {
    const mark = memory.mark();
    for (const size of [10, 100_000, 3, 700_000]) memory.allocate([size]);
    memory.release(mark);
  };
  pass();
  const held = memory.memoryBytes;
  for (let i = 0; i < 20; i++) pass();
  assert.is(memory.memoryBytes, held);
});

arena('law: tensors start at multiples of 16 bytes', () => {
  const memory = new Arena();
  for (const size of [1, 3, 5, 0, 7]) {
    assert.is(memory.allocate([size]).byteOffset % 16, 0);
  }
});

arena('law: in debug builds released memory is NaN, older tensors stay as they are', () => {
  const memory = new Arena({ debug: true });
  const kept = memory.allocate([4]);
  float32(kept).fill(1);
  const mark = memory.mark();
  const view = float32(memory.allocate([100_000])).fill(2);
  memory.release(mark);
  assert.ok(view.every(Number.isNaN));
  assert.equal(float32(kept), new Float32Array(4).fill(1));
});

arena('error: in debug builds a released tensor throws when it is used', () => {
  const memory = new Arena({ debug: true });
  const mark = memory.mark();
  const tensor = memory.allocate([2, 3]);
  memory.release(mark);
  assert.throws(() => float32(tensor), /tensor-released: A tensor of shape \[2, 3\] .* Copy what/);
  memory.allocate([2, 3]);
  assert.throws(() => float32(tensor), /tensor-released/);
});

arena('error: marks are released in the reverse order of taking them', () => {
  const memory = new Arena();
  const outer = memory.mark();
  memory.allocate([8]);
  const inner = memory.mark();
  memory.release(outer);
  assert.throws(() => memory.release(inner), /tensor-released: .* reverse order/);
});

arena.run();
