import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ARITHMETIC_CLASSES, operationBar, pathBar } from '../../src/verify/bars.ts';

const bars = suite('bars');

bars('law: a coarser class has a higher bar, and a longer path too', () => {
  for (const rounding of ['elementwise', 'norm', 'sum', 'softmax', 'weights'] as const) {
    const operation = { rounding, length: 64 };
    const own = ARITHMETIC_CLASSES.map((name) => operationBar(operation, name));
    assert.ok(own[0] < own[1] && own[1] < own[2]);
    // Four bits are an excuse for weights only.
    assert.ok(rounding === 'weights' ? own[3] < own[4] : own[3] === own[4]);
    const path = { ...operation, hiddenSize: 64, rotaryPositions: 0 };
    const depths = [1, 2, 32].map((depth) => pathBar({ ...path, depth }, 'f32'));
    assert.ok(own[0] < depths[0] && depths[0] < depths[1] && depths[1] < depths[2]);
    assert.ok(pathBar({ ...path, depth: 1, rotaryPositions: 4096 }, 'f32') > depths[0]);
  }
});

bars('law: copies and lookups of float32 have no room at all', () => {
  assert.is(operationBar({ rounding: 'copy', length: 8 }, 'int4'), 0);
  assert.is(operationBar({ rounding: 'lookup', length: 8 }, 'f32'), 0);
  assert.ok(operationBar({ rounding: 'lookup', length: 8 }, 'bf16') > 0);
});

bars('law: a norm of 13B sees an eps of 1e-5 for 1e-6 on activations of size 1', () => {
  // y changes by the factor √((1 + 1e-6) / (1 + 1e-5)), 4.5e-6 less.
  assert.ok(operationBar({ rounding: 'norm', length: 5120 }, 'f32') < 4.5e-6);
});

bars.run();
