/** Groups of 32 with a float16 scale: what every group obeys, and how it compares with ggml's. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { quantizeInt4, quantizeInt8 } from '../../src/quantize/grouped.ts';
import { decodeFloat16, encodeFloat16 } from '../../src/tensor/float16.ts';
import { dequantize, QUANTIZED_RANGES } from '../../src/tensor/quantized.ts';
import { normalSource } from '../support/gaussian-model.ts';
import { ggmlQ4, ggmlQ8 } from '../support/ggml-quantizers.ts';
import { oddGroups } from '../support/odd-weights.ts';
import { randomSource } from '../support/random.ts';

const spec = suite('grouped');

const QUANTIZERS = [
  { type: 'int8', quantize: quantizeInt8, ggml: ggmlQ8 },
  { type: 'int4', quantize: quantizeInt4, ggml: ggmlQ4 },
] as const;

const GROUPS = 2000;
const normal = normalSource(1);
const NORMAL = Float32Array.from({ length: 32 * GROUPS }, () => 0.02 * normal());

/** Σ (w − w′)² of every group. */
function squaredErrors(expected: Float32Array, found: Float32Array): Float64Array {
  const errors = new Float64Array(expected.length / 32);
  expected.forEach((weight, i) => {
    errors[Math.floor(i / 32)] += (weight - found[i]) ** 2;
  });
  return errors;
}

const total = (errors: Float64Array) => errors.reduce((sum, error) => sum + error, 0);

for (const { type, quantize, ggml } of QUANTIZERS) {
  const { least, greatest } = QUANTIZED_RANGES[type];

  spec(`law: scales of ${type} are float16 and integers in the range`, () => {
    const w = oddGroups();
    const { values, scales } = quantize(w, [w.length / 32, 32]);
    for (const scale of scales) {
      assert.ok(Object.is(decodeFloat16(encodeFloat16(scale)), scale), String(scale));
    }
    assert.ok(values.every((value) => value >= least && value <= greatest));
  });

  spec(`law: ${type} rounds every weight to the nearest value that its scale has`, () => {
    const matrix = quantize(NORMAL, [GROUPS, 32]);
    NORMAL.forEach((weight, i) => {
      const scaled = weight / matrix.scales[Math.floor(i / 32)];
      const nearest = Math.max(least, Math.min(greatest, scaled));
      // One rounding of 1 / scale and one of the product.
      assert.ok(Math.abs(matrix.values[i] - nearest) <= 0.5 + Math.abs(scaled) * 2 ** -22);
    });
  });

  spec(`law: no group of ${type} has a greater squared error than ggml's`, () => {
    const matrix = quantize(NORMAL, [GROUPS, 32]);
    const ours = squaredErrors(NORMAL, dequantize(matrix));
    const theirs = squaredErrors(NORMAL, ggml(NORMAL));
    ours.forEach((error, group) => {
      const { scales, values } = matrix;
      // The least error over scales rises by δ² Σqq when the scale is rounded by δ, and gains of
      // candidates are compared in float32.
      const q = values.subarray(32 * group, 32 * group + 32);
      const qq = q.reduce((sum, value) => sum + value * value, 0);
      const slack = qq * scales[group] ** 2 * (2 ** -22 + 2 ** -20);
      assert.ok(error <= theirs[group] + slack, `group ${group}: ${error}, ${theirs[group]}`);
    });
  });

  spec(`law: ${type} leaves at most 93 % of the squared error of ggml's on normal weights`, () => {
    const ours = total(squaredErrors(NORMAL, dequantize(quantize(NORMAL, [GROUPS, 32]))));
    assert.ok(ours <= 0.93 * total(squaredErrors(NORMAL, ggml(NORMAL))));
  });

  spec(`law: a matrix of ${type} values that uses its whole range comes back as it is`, () => {
    // Every group holds the end of the range and has a scale of 10 bits.
    const w = Float32Array.from({ length: 64 * 32 }, (_, i) => {
      const q = i % 32 === (i >> 5) % 32 ? (type === 'int4' ? -8 : 127) : ((i * 29) % 15) - 7;
      return q * (0.5 + (i >> 5) / 128);
    });
    assert.equal(dequantize(quantize(w, [64, 32])), w);
  });

  spec(`law: a power of two times the weights is that times the scales of ${type}`, () => {
    const expected = quantize(NORMAL, [GROUPS, 32]);
    for (const factor of [2, 2 ** 12]) {
      const scaled = NORMAL.map((weight) => weight * factor);
      const { values, scales } = quantize(scaled, [GROUPS, 32]);
      assert.ok(values.every((value, i) => value === expected.values[i]));
      assert.ok(scales.every((scale, i) => scale === expected.scales[i] * factor));
    }
  });

  spec(`law: the opposite of the weights is the opposite of what ${type} makes of them`, () => {
    const expected = dequantize(quantize(NORMAL, [GROUPS, 32])).map((weight) => -weight);
    const found = dequantize(
      quantize(
        NORMAL.map((weight) => -weight),
        [GROUPS, 32],
      ),
    );
    assert.ok(found.every((weight, i) => weight === expected[i]));
  });

  spec(`law: groups of ${type} know nothing of each other, and the last may be short`, () => {
    const [rows, columns] = [5, 75];
    const w = randomSource(6).signed(rows * columns);
    const { values, scales } = quantize(w, [rows, columns]);
    for (let o = 0; o < rows; o++) {
      for (let g = 0; g < 3; g++) {
        const [start, end] = [columns * o + 32 * g, columns * o + Math.min(75, 32 * g + 32)];
        const alone = quantize(w.slice(start, end), [1, end - start]);
        assert.equal(values.slice(start, end), alone.values);
        assert.is(scales[3 * o + g], alone.scales[0]);
      }
    }
  });

  spec(`law: zeros have the scale 0 in ${type}, and what is not finite has NaN`, () => {
    const w = randomSource(7).signed(5 * 32);
    w.fill(0, 0, 32);
    w[32 + 9] = Number.POSITIVE_INFINITY;
    w[64 + 31] = Number.NaN;
    w.fill(0, 96, 128);
    w[96 + 2] = Number.NaN;
    const matrix = quantize(w, [5, 32]);
    assert.is(matrix.scales[0], 0);
    assert.ok(matrix.scales.subarray(1, 4).every(Number.isNaN));
    assert.ok(matrix.values.subarray(0, 128).every((value) => value === 0));
    assert.ok(dequantize(matrix).subarray(32, 128).every(Number.isNaN));
    assert.ok(dequantize(matrix).subarray(128).every(Number.isFinite));
  });

  spec(
    `law: a scale past the greatest float16 becomes that in ${type}, weights are clipped`,
    () => {
      const w = new Float32Array(32).fill(1).fill(3e38, 0, 1).fill(-1e7, 1, 2);
      const { values, scales } = quantize(w, [1, 32]);
      assert.is(Math.abs(scales[0]), 65_504);
      const sign = Math.sign(scales[0]);
      assert.is(values[0], sign > 0 ? greatest : least);
      assert.is(values[1], sign > 0 ? Math.max(least, -153) : Math.min(greatest, 153));
      assert.is(values[2] + 0, 0);
    },
  );
}

spec('law: a scale of int8 is never negative', () => {
  assert.ok(quantizeInt8(NORMAL, [GROUPS, 32]).scales.every((scale) => scale > 0));
});

spec('golden: the candidates of int4 by hand', () => {
  // −8 lands on the end of the range, everything is exact; 7 on the other side needs −7.25.
  const left = Float32Array.from({ length: 32 }, (_, i) => 0.25 * ((i % 16) - 8));
  assert.equal([...quantizeInt4(left, [1, 32]).scales], [0.25]);
  const right = left.map((weight) => -weight);
  assert.equal([...quantizeInt4(right, [1, 32]).scales], [-0.25]);
  const both = Float32Array.from({ length: 32 }, (_, i) => (i % 2 === 0 ? 7.25 : -7.25));
  const { values, scales } = quantizeInt4(both, [1, 32]);
  assert.equal([...new Set(values)].sort(), [-7, 7]);
  assert.is(Math.abs(scales[0]), decodeFloat16(encodeFloat16(7.25 / 7)));
});

spec.run();
