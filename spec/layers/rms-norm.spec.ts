import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LayerContext } from '../../src/layers/context.ts';
import { rmsNorm } from '../../src/layers/rms-norm.ts';
import { createTensor, float32, tensorOf } from '../../src/tensor/tensor.ts';
import {
  ALONE_BAR,
  aloneContext,
  distanceFrom,
  GOLDEN_RUNNERS,
  recorded,
} from '../support/goldens.ts';

const layer = suite('rms-norm');

/** RMSNorm of one row of ones as weights, by the formula, in float64. */
function byFormula(x: Float32Array, eps: number): number[] {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return Array.from(x, (value) => value / Math.sqrt(meanSquare + eps));
}

for (const { golden, title, runner } of GOLDEN_RUNNERS) {
  const { config } = golden;
  const ones = tensorOf(new Float32Array(config.hiddenSize).fill(1), [config.hiddenSize]);
  const unit = { path: 'norm', weight: ones };
  const context = (eps = config.rmsNormEps): LayerContext => ({
    ...aloneContext(runner, 1),
    config: { ...config, rmsNormEps: eps },
  });
  // A copy: a memory that grows leaves earlier views without their numbers.
  const normalized = (x: Float32Array, eps?: number) =>
    float32(rmsNorm(tensorOf(x, [1, x.length]), unit, context(eps))).slice();

  const row = fc
    .array(fc.float({ min: -8, max: 8, noNaN: true }), {
      minLength: config.hiddenSize,
      maxLength: config.hiddenSize,
    })
    .filter((values) => values.some((value) => Math.abs(value) > 1e-3))
    // Subnormal numbers lose bits when they are scaled.
    .map((values) => Float32Array.from(values, (value) => (Math.abs(value) < 1e-9 ? 0 : value)));

  layer(`golden: the final norm alone gives the recorded output (${title})`, () => {
    const x = recorded(golden, `model.layers.${config.numHiddenLayers - 1}.output`);
    const y = rmsNorm(x, runner.weights.norm, aloneContext(runner, x.shape[0]));
    const distance = distanceFrom(golden, 'model.norm.output', y);
    assert.ok(distance <= ALONE_BAR, `${distance}`);
  });

  layer(`law: each value is within two ULP of the formula in float64 (${title})`, () => {
    fc.assert(
      fc.property(row, fc.constantFrom(1e-6, 1e-5, 0.5), (x, eps) => {
        const expected = byFormula(x, eps);
        normalized(x, eps).forEach((value, i) => {
          assert.ok(Math.abs(value - expected[i]) <= 2 * 2 ** -24 * Math.abs(expected[i]) + 1e-45);
        });
      }),
      { seed: 1, numRuns: 50 },
    );
  });

  layer(
    `law: scaling x by a power of two leaves the result unchanged when eps is 0 (${title})`,
    () => {
      fc.assert(
        fc.property(row, fc.integer({ min: -20, max: 20 }), (x, power) => {
          const scaled = x.map((value) => value * 2 ** power);
          assert.equal(normalized(scaled, 0), normalized(x, 0));
        }),
        { seed: 1, numRuns: 50 },
      );
    },
  );

  layer(`law: eps decides what becomes of tiny activations (${title})`, () => {
    const tiny = new Float32Array(config.hiddenSize).fill(1e-3);
    assert.ok(Math.abs(normalized(tiny, 1e-6)[0] - Math.SQRT1_2) < 1e-6);
    assert.ok(Math.abs(normalized(tiny, 1e-5)[0] - 1 / Math.sqrt(11)) < 1e-6);
  });

  layer(`error: x of another width is refused (${title})`, () => {
    const x = createTensor([2, config.hiddenSize + 1]);
    assert.throws(() => rmsNorm(x, unit, context()), /shape-mismatch: x: Expected shape \[T, C=/);
  });
}

layer.run();
