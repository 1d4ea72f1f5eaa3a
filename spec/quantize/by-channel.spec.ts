/** The published quantizer: what it made of the golden models, bit for bit. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { quantizeInt4Channel, quantizeInt8Channel } from '../../src/quantize/by-channel.ts';
import { dequantize } from '../../src/tensor/quantized.ts';
import { randomSource } from '../support/random.ts';
import { type OracleTensor, readSafetensors } from '../support/safetensors-oracle.ts';

const spec = suite('by-channel');

const ROOT = new URL('../../fixtures/goldens/', import.meta.url);
const MODELS = ['alibi-5heads', 'rope-4heads'];
const QUANTIZERS = {
  int8: { quantize: quantizeInt8Channel, greatest: 127 },
  int4: { quantize: quantizeInt4Channel, greatest: 7 },
};

for (const model of MODELS) {
  const weights = readSafetensors(new URL(`${model}/model.safetensors`, ROOT));
  for (const [bits, { quantize }] of Object.entries(QUANTIZERS)) {
    const published = readSafetensors(new URL(`${model}/published_${bits}.safetensors`, ROOT));

    spec(`golden: ${bits} of ${model} has the published integers and scales`, () => {
      const names = [...published.keys()].filter((name) => name.endsWith('.qweight'));
      const layers = [...weights.keys()].filter((name) => /W_pack|_proj/.test(name));
      assert.is(names.length, layers.length);
      for (const name of names) {
        const path = name.replace(/\.qweight$/, '');
        const { shape, values } = weights.get(`${path}.weight`) as OracleTensor;
        const matrix = quantize(Float32Array.from(values), [shape[0], shape[1]]);
        assert.equal(Float32Array.from(matrix.values), published.get(name)?.values, name);
        assert.equal(matrix.scales, published.get(`${path}.scale`)?.values, path);
      }
    });
  }
}

for (const [bits, { quantize, greatest }] of Object.entries(QUANTIZERS)) {
  spec(`law: the greatest magnitude of a row of ${bits} is ${greatest} times its scale`, () => {
    const w = randomSource(3).signed(5 * 70, 0.3);
    const { values, scales, type } = quantize(w, [5, 70]);
    assert.is(type, `${bits}-channel`);
    for (let o = 0; o < 5; o++) {
      const row = w.subarray(70 * o, 70 * o + 70);
      const most = Math.max(...row.map(Math.abs));
      const at = row.findIndex((weight) => Math.abs(weight) === most);
      assert.is(scales[o], Math.fround(most / greatest));
      assert.is(values[70 * o + at], Math.sign(row[at]) * greatest);
    }
  });

  spec(`law: no weight of ${bits} is farther from its value than half a scale`, () => {
    const w = randomSource(4).signed(3 * 90, 2);
    const matrix = quantize(w, [3, 90]);
    dequantize(matrix).forEach((weight, i) => {
      const scale = matrix.scales[Math.floor(i / 90)];
      assert.ok(Math.abs(weight - w[i]) <= scale * (0.5 + greatest * 2 ** -23), String(i));
    });
  });

  spec(`law: a row of zeros in ${bits} has the scale 0, one that is not finite NaN`, () => {
    const w = randomSource(5).signed(4 * 9);
    w.fill(0, 0, 9);
    w[9 + 3] = Number.NaN;
    w[18 + 8] = Number.NEGATIVE_INFINITY;
    const matrix = quantize(w, [4, 9]);
    assert.is(matrix.scales[0], 0);
    assert.ok(matrix.scales.subarray(1, 3).every(Number.isNaN));
    assert.ok(matrix.values.subarray(0, 27).every((value) => value === 0));
    assert.ok(matrix.scales[3] > 0);
    assert.ok(dequantize(matrix).subarray(9, 27).every(Number.isNaN));
  });

  spec(`law: the least numbers of float32 stay in the range of ${bits}`, () => {
    // 190 and 10 units over 127 and 7 round to a scale of one unit.
    const w = Float32Array.of(190, -190, 10, -10, 1, 0).map((units) => units * 2 ** -149);
    for (const k of [0, 2]) {
      const { values } = quantize(w.slice(k), [1, 6 - k]);
      assert.ok(values.every((value) => Math.abs(value) <= greatest + (bits === 'int4' ? 1 : 0)));
    }
  });
}

spec('golden: halves of a scale go to the even integer', () => {
  const { values, scales } = quantizeInt4Channel(
    Float32Array.of(7, 0.5, 1.5, 2.5, -0.5, -6.5),
    [1, 6],
  );
  assert.equal([...scales], [1]);
  assert.equal([...values], [7, 0, 2, 2, 0, -6]);
});

spec.run();
