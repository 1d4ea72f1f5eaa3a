import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { STORED_TYPE_BYTES } from '../../src/formats/checkpoint.ts';
import {
  float32Entry,
  openBytes,
  refuseSafetensors,
  safetensorsFile,
} from '../support/model-files.ts';
import type { ExpectedRefusal } from '../support/refusal.ts';

const header = suite('safetensors-header');

const tensor = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';

/** Refuses a file with one tensor `a` of 4 bytes, some of whose fields are spelt otherwise. */
function refuseEntry(fields: Record<string, string>, expected: ExpectedRefusal) {
  const spelt = { dtype: '"F32"', shape: '[1]', data_offsets: '[0,4]', ...fields };
  const members = Object.entries(spelt).map(([key, value]) => `"${key}":${value}`);
  return refuseSafetensors(safetensorsFile(`{"a":{${members.join(',')}}}`, 4), expected);
}

header('law: every stored type opens with its own size', async () => {
  for (const [dtype, bytes] of Object.entries(STORED_TYPE_BYTES)) {
    const entry = { dtype, shape: [3], data_offsets: [0, 3 * bytes] };
    const { tensors } = await openBytes(safetensorsFile({ a: entry }, 3 * bytes));
    assert.is(tensors.get('a')?.byteLength, 3 * bytes, dtype);
  }
});

header(
  'error: ST13 a tensor listed twice: alike, otherwise, and each half of the data',
  async () => {
    const doubles = [
      [tensor, 4],
      ['{"dtype":"U8","shape":[4],"data_offsets":[0,4]}', 4],
      ['{"dtype":"F32","shape":[1],"data_offsets":[4,8]}', 8],
    ] as const;
    for (const [second, dataBytes] of doubles) {
      const offsets = [9, 9 + `"a":${tensor},`.length];
      await refuseSafetensors(safetensorsFile(`{"a":${tensor},"a":${second}}`, dataBytes), {
        code: 'safetensors-duplicate',
        where: '/a',
        message: `at byte ${offsets[0]} and at byte ${offsets[1]}`,
        fix: 'one tensor of each name',
      });
    }
  },
);

header('error: ST14 the metadata or a field of a tensor given twice', async () => {
  const code = 'json-duplicate-key';
  const metadata = `{"__metadata__":{},"a":${tensor},"__metadata__":{}}`;
  await refuseSafetensors(safetensorsFile(metadata, 4), { code, where: '/__metadata__' });
  const shape = '{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}';
  await refuseSafetensors(safetensorsFile(shape, 4), { code, where: '/a/shape' });
});

header('error: ST18 offsets that end before they begin, or are no two integers', async () => {
  const code = 'safetensors-offset';
  await refuseEntry({ data_offsets: '[4,0]' }, { code, where: '/a/data_offsets/1', found: 0 });
  for (const literal of ['-4', '0.5', '4.0', '"4"', 'null', '9007199254740993', '1e999', '-0']) {
    const expected = { code, where: '/a/data_offsets/0', message: literal } as const;
    await refuseEntry({ data_offsets: `[${literal},4]` }, expected);
  }
  for (const literal of ['[0,4,4]', '[0]', '[]', '4', '{"0":0}', 'null']) {
    await refuseEntry({ data_offsets: literal }, { code, where: '/a/data_offsets' });
  }
});

header('error: ST19 a shape and type that need other bytes than the offsets give', async () => {
  const code = 'safetensors-size';
  await refuseEntry({ shape: '[2]' }, { code, expected: 8, found: 4, message: 'shape [2]' });
  await refuseEntry({ dtype: '"F16"' }, { code, expected: 2, found: 4 });
  await refuseEntry({ shape: '[0]' }, { code, expected: 0, found: 4 });
  await refuseEntry({ shape: '[4294967296]' }, { code, expected: 2 ** 34, found: 4 });
});

header('error: ST20 dimensions whose product is past 2^53 or 2^64', async () => {
  const code = 'safetensors-overflow';
  const shapes = {
    '[4294967296,2097153]': '9007203549708288',
    '[4294967296,4294967296]': '18446744073709551616',
    '[4294967296,4294967296,4294967296]': '79228162514264337593543950336',
    '[4611686018427387904,4]': '18446744073709551616',
    '[9223372036854775807,2]': '18446744073709551614',
  };
  for (const [shape, product] of Object.entries(shapes)) {
    await refuseEntry({ shape }, { code, where: '/a/shape', found: product });
  }
});

header('error: ST21 a dimension past 2^32 or none at all, too many axes', async () => {
  const code = 'safetensors-dim';
  const wide = { code, where: '/a/shape/1', message: '18446744073709551615' } as const;
  await refuseEntry({ shape: '[0,18446744073709551615]' }, wide);
  for (const literal of ['4294967297', '-1', '1.5', '1.0', '1e0', '"1"', 'null', '[1]']) {
    await refuseEntry({ shape: `[${literal}]` }, { code, where: '/a/shape/0' });
  }
  for (const rank of [9, 10_000]) {
    const shape = JSON.stringify(new Array(rank).fill(1));
    await refuseEntry({ shape }, { code: 'safetensors-rank', expected: 8, found: rank });
  }
  const file = safetensorsFile({ a: float32Entry(new Array(8).fill(1), 0) }, 4);
  assert.is((await openBytes(file)).tensors.get('a')?.shape.length, 8);
});

header('error: ST22 a type that is not read, with those that are', async () => {
  for (const dtype of ['Q4_0', 'f32', 'F8_E4M3', 'toString', '__proto__']) {
    await refuseEntry(
      { dtype: `"${dtype}"` },
      {
        code: 'safetensors-dtype',
        where: '/a/dtype',
        message: [dtype, 'F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL'],
        fix: 'Convert',
      },
    );
  }
  await refuseEntry({ dtype: '7' }, { code: 'safetensors-field', where: '/a/dtype' });
});

header('error: ST23 a name that is empty, long, not printable, or a path', async () => {
  const names: [name: string, shown: string][] = [
    ['', 'is empty'],
    ['a\u0000b', '\\u0000'],
    ['a\nb', '\\n'],
    ['\u001b[31mred', '\\u001b[31m'],
    ['c1\u0085', '\\u0085'],
    ['x'.repeat(10_240), 'has 10240 bytes'],
    ['世'.repeat(171), 'has 513 bytes'],
    ['../x', 'is a path'],
    ['a/../x', 'is a path'],
    ['/etc/passwd', 'is a path'],
    ['..\\x', 'is a path'],
    ['.', 'is a path'],
    ['./b', 'is a path'],
    ['a/./b', 'is a path'],
    ['a/.', 'is a path'],
    ['C:\\x', 'is a path'],
    ['c:/x', 'is a path'],
    ['a\u202eb', 'is not printable'],
    ['a\u2028b', 'is not printable'],
    ['a\u2029b', 'is not printable'],
    ['a\u200bb', 'is not printable'],
    ['\ufeffa', 'is not printable'],
  ];
  for (const [name, message] of names) {
    const bytes = safetensorsFile({ [name]: float32Entry([1], 0) }, 4);
    await refuseSafetensors(bytes, { code: 'safetensors-name', message, fix: 'published' });
  }
  const kept = [
    'x'.repeat(512),
    'a.b..c',
    'a:b',
    '世.weight',
    'params/dense',
    '__proto__',
    'toString',
  ];
  for (const name of kept) {
    const bytes = safetensorsFile(`{${JSON.stringify(name)}:${tensor}}`, 4);
    assert.equal([...(await openBytes(bytes)).tensors.keys()], [name]);
  }
});

header('error: ST25 metadata that is no text, or fills the header', async () => {
  const code = 'safetensors-metadata';
  for (const [literal, where] of [
    ['{"x":1}', '/__metadata__/x'],
    ['{"x":null}', '/__metadata__/x'],
    ['{"x":{}}', '/__metadata__/x'],
    ['null', '/__metadata__'],
    ['[]', '/__metadata__'],
    ['"x"', '/__metadata__'],
  ]) {
    const text = `{"__metadata__":${literal},"a":${tensor}}`;
    await refuseSafetensors(safetensorsFile(text, 4), { code, where });
  }
  const large = safetensorsFile(`{"__metadata__":{"x":"${'x'.repeat(90_000_000)}"}}`);
  const limit = { code: 'safetensors-header-cap', expected: 16_000_000, withinMs: 100 } as const;
  await refuseSafetensors(large, limit);
});

header('error: a tensor that lacks a field, has an unknown one, or is no object', async () => {
  const code = 'safetensors-field';
  const missing = safetensorsFile('{"a":{"dtype":"F32","shape":[1]}}', 4);
  const offsets = { code, where: '/a/data_offsets', message: 'missing' } as const;
  await refuseSafetensors(missing, offsets);
  await refuseEntry({ quant: '4' }, { code, where: '/a/quant', message: 'no such field' });
  for (const literal of ['null', '[]', '"x"', '4']) {
    await refuseSafetensors(safetensorsFile(`{"a":${literal}}`, 4), { code, where: '/a' });
  }
});

header.run();
