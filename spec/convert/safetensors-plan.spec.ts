/** What quantized files hold, by a reader of this spec's own, and what they compute. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Folder } from '../../src/formats/hugging-face-folder.ts';
import { load, openModel, type Quantization } from '../../src/index.ts';
import { parameterTable } from '../../src/model/weights.ts';
import { QUANTIZERS } from '../../src/quantize/index.ts';
import { checkpointFolder } from '../support/checkpoint-files.ts';
import { goldenPath } from '../support/command.ts';
import {
  convertedFiles,
  convertedFolder,
  convertedGguf,
  ropeFolder,
} from '../support/conversions.ts';
import { GOLDENS, type Golden } from '../support/goldens.ts';
import { type RawFile, rawOf } from '../support/raw-safetensors.ts';
import { readSafetensors } from '../support/safetensors-oracle.ts';

const convert = suite('safetensors-plan');

const TYPES = ['int8', 'int4', 'int8-channel', 'int4-channel'] as const;

/** Sizes that are no multiples of 32: 40 and 112. */
const alibi = GOLDENS.find(({ name }) => name === 'alibi-5heads') as Golden;

/** Integers and scales by the formula of the documentation, from a reader of this spec's own. */
function plainValues(file: RawFile, name: string, bits: number) {
  const weight = file.get(name);
  const scale = file.get(`${name}_scale`);
  if (weight === undefined || scale === undefined) throw new Error(`no ${name}`);
  const values =
    bits === 8
      ? [...new Int8Array(weight.bytes)]
      : [...new Uint8Array(weight.bytes)].flatMap((byte) => [(byte & 15) - 8, (byte >> 4) - 8]);
  return { weight, scale, values };
}

for (const [type, bits] of [
  ['int8-channel', 8],
  ['int4-channel', 4],
] as const) {
  convert(`golden: ${type} files hold what the published quantizer made`, async () => {
    const path = `../../fixtures/goldens/alibi-5heads/published_int${bits}.safetensors`;
    const published = readSafetensors(new URL(path, import.meta.url));
    const files = await convertedFiles(goldenPath('alibi-5heads'), { quantize: type });
    const file = rawOf(files['model.safetensors']);
    let compared = 0;
    for (const [name, { shape, values }] of published) {
      if (!name.endsWith('.qweight')) continue;
      const weight = name.replace('.qweight', '.weight');
      const found = plainValues(file, weight, bits);
      assert.equal(found.weight.shape, [shape[0], (shape[1] * bits) / 8], weight);
      assert.equal(found.values, [...values], weight);
      const scales = published.get(name.replace('.qweight', '.scale'));
      assert.equal([...new Float32Array(found.scale.bytes)], [...(scales?.values ?? [])], weight);
      compared += 1;
    }
    assert.is(compared, 15);
  });
}

for (const [type, bits] of [
  ['int8', 8],
  ['int4', 4],
] as const) {
  convert(`pair: ${type} files hold what the quantizer in plain loops makes`, async () => {
    const files = await convertedFiles(checkpointFolder(alibi), { quantize: type });
    const file = rawOf(files['model.safetensors']);
    const table = parameterTable(alibi.config);
    for (const [name, { role, shape }] of table) {
      if (role === 'norm') continue;
      const used = role === 'linear' ? type : 'int8';
      const size = [shape[0], shape[1]] as const;
      const floats = Float32Array.from(alibi.weights.get(name)?.values ?? []);
      const expected = QUANTIZERS[used](floats, size);
      const found = plainValues(file, name, role === 'linear' ? bits : 8);
      assert.equal(found.values, [...expected.values], name);
      assert.is(found.scale.dtype, 'F16');
      assert.equal(found.scale.shape, [size[0], Math.ceil(size[1] / 32)], name);
      assert.equal(halves(found.scale.bytes), [...expected.scales], name);
    }
  });
}

/** float16 by its definition. */
function halves(bytes: ArrayBuffer): number[] {
  return [...new Uint16Array(bytes)].map((bits) => {
    const [sign, exponent, fraction] = [bits >> 15, (bits >> 10) & 31, bits & 1023];
    const magnitude =
      exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
    return sign === 1 ? -magnitude : magnitude;
  });
}

async function logitsOf(source: Folder | string, quantize?: Quantization) {
  const notices: string[] = [];
  const onNotice = (notice: string) => void notices.push(notice);
  const model = await load(source, { threads: 1, onNotice, ...(quantize && { quantize }) });
  try {
    const { data } = await model.forward([5, 77, 9, 31, 2]);
    const { quantize: held, activations, kvCache } = model;
    return { bits: [...new Uint32Array(data.buffer)], held, activations, kvCache, notices };
  } finally {
    await model.close();
  }
}

for (const quantize of TYPES) {
  convert(
    `law: a folder in ${quantize} loads to the bits of quantizing while loading`,
    async () => {
      for (const source of [ropeFolder(), goldenPath('alibi-5heads')]) {
        const folder = await convertedFolder(source, { quantize });
        const expected = await logitsOf(source, quantize);
        // Without an option: the type that the folder holds, and nothing is quantized again.
        assert.equal(await logitsOf(folder), expected);
        assert.is(expected.held, quantize);
        assert.not.equal((await logitsOf(source)).bits, expected.bits);
      }
    },
  );

  convert(`law: ${quantize} through ${quantize} again changes no byte`, async () => {
    const once = await convertedFiles(goldenPath('alibi-5heads'), { quantize });
    const folder = await convertedFolder(goldenPath('alibi-5heads'), { quantize });
    for (const options of [{}, { quantize }]) {
      const twice = await convertedFiles(folder, options);
      assert.equal(Object.keys(twice), Object.keys(once));
      for (const name of Object.keys(once)) assert.equal([...twice[name]], [...once[name]], name);
    }
  });
}

convert('law: one scale a row becomes floats on the way to GGUF, value · scale', async () => {
  const folder = await convertedFolder(ropeFolder(), { quantize: 'int8-channel' });
  const { checkpoint } = await openModel(await convertedGguf(folder, { type: 'f32' }));
  const name = 'model.layers.0.mlp.up_proj.weight';
  const stored = checkpoint.tensors.get(name);
  const bytes = await stored?.read(0, stored.byteLength);
  const files = await convertedFiles(ropeFolder(), { quantize: 'int8-channel' });
  const { values, scale } = plainValues(rawOf(files['model.safetensors']), name, 8);
  const scales = new Float32Array(scale.bytes);
  const expected = values.map((value, index) =>
    Math.fround(value * scales[Math.floor(index / 64)]),
  );
  assert.equal([...new Float32Array(bytes?.slice().buffer ?? new ArrayBuffer(0))], expected);
});

convert('law: weights that are no numbers are told, and stay none when quantized', async () => {
  const name = 'model.layers.1.mlp.up_proj.weight';
  const source = checkpointFolder(alibi, (tensors) => {
    const weight = tensors.get(name);
    if (weight !== undefined)
      new DataView(weight.bytes.buffer).setFloat32(4 * 47, Number.NaN, true);
  });
  for (const options of [{}, { quantize: 'int4' }, { quantize: 'int8-channel' }] as const) {
    const notices: string[] = [];
    const files = await convertedFiles(source, options, { onNotice: (n) => void notices.push(n) });
    assert.is(notices.length, 1);
    assert.ok(notices[0].startsWith('1 of 24 parameters hold NaN or infinite weights, '));
    assert.ok(notices[0].includes(`${name} first; baichuan verify tells`));
    if (!('quantize' in options)) continue;
    const scale = rawOf(files['model.safetensors']).get(`${name}_scale`);
    // Element 47 is in row 1 of 40 columns, group 0.
    const scales =
      scale?.dtype === 'F16'
        ? [...new Uint16Array(scale.bytes)].map((bits) => (bits & 0x7fff) > 0x7c00)
        : [...new Float32Array(scale?.bytes ?? new ArrayBuffer(0))].map(Number.isNaN);
    assert.equal(
      scales.flatMap((isOne, index) => (isOne ? [index] : [])),
      [scale?.dtype === 'F16' ? 2 : 1],
    );
  }
});

convert.run();
