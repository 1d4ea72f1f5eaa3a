/** Quantized matrices: which scale belongs to which weight. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import {
  createQuantizedMatrix,
  dequantize,
  type QuantizedType,
  scalesPerRow,
} from '../../src/tensor/quantized.ts';

const spec = suite('quantized');

const GROUPED: QuantizedType[] = ['int8', 'int4'];
const BY_CHANNEL: QuantizedType[] = ['int8-channel', 'int4-channel'];

spec('law: 32 neighbours of a row share a scale, the last of them may be fewer', () => {
  for (const type of GROUPED) {
    const [rows, columns] = [3, 70];
    const matrix = createQuantizedMatrix(type, [rows, columns]);
    assert.is(scalesPerRow(type, columns), 3);
    assert.is(matrix.scales.length, 9);
    matrix.scales.set([1, 2, 4, 8, 16, 32, 64, 128, -256]);
    matrix.values.forEach((_, i, values) => {
      values[i] = (i % 15) - 7;
    });
    const weights = dequantize(matrix);
    for (let o = 0; o < rows; o++) {
      for (let k = 0; k < columns; k++) {
        const scale = matrix.scales[3 * o + (k < 32 ? 0 : k < 64 ? 1 : 2)];
        assert.is(weights[columns * o + k], (((columns * o + k) % 15) - 7) * scale, `${o} ${k}`);
      }
    }
  }
});

spec('law: by channel a row has one scale', () => {
  for (const type of BY_CHANNEL) {
    const matrix = createQuantizedMatrix(type, [2, 40]);
    assert.is(scalesPerRow(type, 40), 1);
    matrix.scales.set([0.5, -3]);
    matrix.values.fill(5);
    const weights = dequantize(matrix);
    assert.equal(weights.slice(0, 40), new Float32Array(40).fill(2.5));
    assert.equal(weights.slice(40), new Float32Array(40).fill(-15));
  }
});

spec('law: a product is rounded once to float32', () => {
  const matrix = createQuantizedMatrix('int8-channel', [1, 1]);
  matrix.scales[0] = 0.1;
  matrix.values[0] = 127;
  assert.is(dequantize(matrix)[0], Math.fround(127 * Math.fround(0.1)));
});

spec('law: a scale of NaN makes its group not a number, and no other', () => {
  const matrix = createQuantizedMatrix('int4', [1, 64]);
  matrix.scales.set([Number.NaN, 1]);
  const weights = dequantize(matrix);
  assert.ok(weights.subarray(0, 32).every(Number.isNaN));
  assert.ok(weights.subarray(32).every((weight) => weight === 0));
});

spec('error: values and scales that do not fit the shape are refused', () => {
  const matrix = createQuantizedMatrix('int4', [2, 33]);
  const bad = [
    { where: 'values', matrix: { ...matrix, values: new Int8Array(65) } },
    { where: 'scales', matrix: { ...matrix, scales: new Float32Array(2) } },
    { where: 'scales', matrix: { ...matrix, type: 'int4-channel' as const } },
  ];
  for (const { where, matrix: given } of bad) {
    assert.throws(
      () => dequantize(given),
      (error: unknown) => {
        assert.instance(error, BaichuanError);
        assert.is((error as BaichuanError).code, 'shape-mismatch');
        assert.is((error as BaichuanError).where, where);
        assert.match((error as BaichuanError).fix, /^Pass as many /);
        return true;
      },
    );
  }
});

spec.run();
