import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withWeightScales } from '../../src/formats/weight-scales.ts';
import { readFileBlocks } from '../../src/tensor/file-blocks.ts';
import { rawSafetensors } from '../support/checkpoint-files.ts';
import { openBytes } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';

const scales = suite('weight-scales');

interface Part {
  readonly dtype: string;
  readonly shape: number[];
  readonly bytes: Uint8Array;
}

const part = (
  dtype: string,
  shape: number[],
  numbers: { readonly buffer: ArrayBufferLike },
): Part => ({
  dtype,
  shape,
  bytes: new Uint8Array(numbers.buffer),
});

/** Two rows of 34 weights: a whole group and a short one. */
const INT8 = part(
  'I8',
  [2, 34],
  Int8Array.from({ length: 68 }, (_, i) => i * 3 - 100),
);
const PAIRS = part(
  'U8',
  [2, 17],
  Uint8Array.from({ length: 34 }, (_, i) => (i * 37) % 256),
);
/** float16 1, 2, −0.5, NaN. */
const GROUPS = part('F16', [2, 2], Uint16Array.of(0x3c00, 0x4000, 0xb800, 0x7e00));
const ROWS = part('F32', [2], Float32Array.of(0.25, -3));

async function opened(weight: Part, scale?: Part, name = 'x.weight') {
  const given: [string, Part][] = [[name, weight]];
  if (scale !== undefined) given.push(['x.weight_scale', scale]);
  return withWeightScales(await openBytes(rawSafetensors(new Map(given))));
}

async function whole(checkpoint: Awaited<ReturnType<typeof opened>>) {
  const tensor = checkpoint.tensors.get('x.weight');
  if (tensor === undefined) throw new Error('no weight');
  return { tensor, bytes: await tensor.read(0, tensor.byteLength) };
}

const q4 = [...PAIRS.bytes].flatMap((byte) => [(byte & 15) - 8, (byte >> 4) - 8]);
const q8 = [...new Int8Array(INT8.bytes.buffer)];

scales('law: groups are read as blocks of the same numbers', async () => {
  for (const [weight, dtype, q] of [
    [INT8, 'Q8_0', q8],
    [PAIRS, 'Q4_0', q4],
  ] as const) {
    const checkpoint = await opened(weight, GROUPS);
    assert.equal([...checkpoint.tensors.keys()], ['x.weight']);
    const { tensor, bytes } = await whole(checkpoint);
    assert.equal([tensor.dtype, tensor.shape], [dtype, [2, 34]]);
    const read = readFileBlocks(dtype, bytes, 34);
    assert.equal([...read.values], q);
    assert.equal([...read.scales], [1, 2, -0.5, Number.NaN]);
    const second = tensor.byteLength / 2;
    assert.equal(await tensor.read(second, second), bytes.slice(second));
    assert.equal(await tensor.read(5, 9), bytes.slice(5, 14));
  }
});

scales('law: one scale a row stays apart from the integers, one a byte', async () => {
  for (const [weight, dtype, q] of [
    [INT8, 'I8', q8],
    [PAIRS, 'I4', q4],
  ] as const) {
    const { tensor, bytes } = await whole(await opened(weight, ROWS));
    assert.equal([tensor.dtype, tensor.shape], [dtype, [2, 34]]);
    assert.equal([...new Int8Array(bytes.slice().buffer)], q);
    const { channelScales } = tensor;
    const floats = await channelScales?.read(0, 8);
    assert.equal([...new Float32Array(floats?.slice().buffer ?? new ArrayBuffer(0))], [0.25, -3]);
  }
});

scales('law: a checkpoint without pairs is given back as it is', async () => {
  for (const [weight, scale, name] of [
    [INT8, undefined, 'x.weight'],
    [ROWS, GROUPS, 'x.weight'],
    [INT8, GROUPS, 'x.bias'],
  ] as const) {
    const { tensors } = await opened(weight, scale, name);
    assert.is(tensors.size, scale === undefined ? 1 : 2);
    assert.is(tensors.get(name)?.dtype, weight.dtype);
  }
});

scales('error: scales that do not fit their weight', async () => {
  const half = (shape: number[]) =>
    part('F16', shape, new Uint16Array(shape.reduce((a, b) => a * b, 1)));
  const wrong: [Part, Part][] = [
    [INT8, half([2, 1])],
    [INT8, half([2, 3])],
    [INT8, half([1, 2])],
    [INT8, half([2])],
    [INT8, half([2, 2, 1])],
    [INT8, part('F32', [2, 2], new Float32Array(4))],
    [INT8, part('F32', [3], new Float32Array(3))],
    [INT8, part('F32', [34], new Float32Array(34))],
    [INT8, part('BF16', [2, 2], new Uint16Array(4))],
    [PAIRS, half([2, 1])],
    [PAIRS, part('F32', [17], new Float32Array(17))],
    [part('I8', [68], INT8.bytes), half([68, 1])],
    [part('I8', [2, 0], new Uint8Array(0)), half([2, 0])],
  ];
  for (const [weight, scale] of wrong) {
    await expectRefusal(() => opened(weight, scale), {
      code: 'safetensors-scales',
      where: 'x.weight_scale',
      fix: 'Convert',
    });
  }
});

scales('error: a weight without its scales, where others have theirs', async () => {
  for (const lone of [INT8, PAIRS]) {
    for (const names of [
      ['x.weight', 'y.weight'],
      ['y.weight', 'x.weight'],
    ]) {
      const parts = names.map((name): [string, Part] => [name, name[0] === 'x' ? INT8 : lone]);
      const given = new Map([...parts, ['x.weight_scale', GROUPS] as const]);
      const checkpoint = await openBytes(rawSafetensors(given));
      await expectRefusal(() => withWeightScales(checkpoint), {
        code: 'safetensors-scales',
        where: 'tensor "y.weight"',
        message: '"y.weight_scale" is missing',
        fix: 'Convert',
      });
    }
  }
});

scales.run();
