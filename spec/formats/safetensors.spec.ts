import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import { bufferSource } from '../../src/formats/byte-source.ts';
import { openSafetensors } from '../../src/formats/safetensors.ts';
import {
  contentOf,
  float32Entry,
  joinBytes,
  lengthBytes,
  openBytes,
  refuseSafetensors,
  SOURCE_KINDS,
  safetensorsFile,
  utf8,
} from '../support/model-files.ts';
import { readSafetensors } from '../support/safetensors-oracle.ts';

const safetensors = suite('safetensors');

const golden = new URL('../../fixtures/goldens/alibi_slopes.safetensors', import.meta.url);
const goldenBytes = new Uint8Array(readFileSync(golden));

const valid = safetensorsFile(
  { __metadata__: { format: 'pt' }, a: float32Entry([2, 3], 0), 'b.世': float32Entry([], 24) },
  28,
);

safetensors(
  'golden: a file of the reference writer gives the values of a second reader',
  async () => {
    const expected = readSafetensors(golden);
    const { tensors } = await openBytes(goldenBytes);
    assert.equal([...tensors.keys()].sort(), [...expected.keys()].sort());
    for (const [name, { dtype, shape, byteLength, read }] of tensors) {
      assert.is(dtype, 'F64');
      assert.equal(shape, expected.get(name)?.shape);
      const bytes = await read(0, byteLength);
      assert.equal([...new Float64Array(bytes.buffer)], [...(expected.get(name)?.values ?? [])]);
    }
  },
);

safetensors('law: names, shapes, data and metadata are those of the file', async () => {
  const checkpoint = await openBytes(valid);
  const data = Array.from({ length: 28 }, (_, index) => index);
  assert.equal(await contentOf(checkpoint), {
    a: { dtype: 'F32', shape: [2, 3], bytes: data.slice(0, 24) },
    'b.世': { dtype: 'F32', shape: [], bytes: data.slice(24) },
  });
  assert.equal([...checkpoint.metadata], [['format', 'pt']]);
  assert.is(checkpoint.tensors.get('a')?.file, 'model.safetensors');
});

safetensors('law: the kind of source makes no difference', async () => {
  const expected = await contentOf(await openBytes(valid));
  for (const [kind, make] of Object.entries(SOURCE_KINDS)) {
    const checkpoint = await openSafetensors(await make('model.safetensors', valid));
    assert.equal(await contentOf(checkpoint), expected, kind);
    await checkpoint.close();
  }
});

safetensors('law: opening reads the header and nothing of the data', async () => {
  const large = safetensorsFile({ a: float32Entry([100_000], 0) }, 400_000);
  const inner = bufferSource('model.safetensors', large);
  let last = 0;
  const checkpoint = await openSafetensors({
    ...inner,
    read(byteOffset, byteLength) {
      last = Math.max(last, byteOffset + byteLength);
      return inner.read(byteOffset, byteLength);
    },
  });
  assert.ok(last <= 512);
  const bytes = await checkpoint.tensors.get('a')?.read(251 * 4, 3);
  assert.equal([...(bytes ?? [])], [0, 1, 2]);
});

safetensors('law: a part of a tensor is a part of its bytes, and no byte outside it', async () => {
  const tensor = (await openBytes(valid)).tensors.get('a');
  assert.ok(tensor);
  assert.equal([...(await tensor.read(5, 3))], [5, 6, 7]);
  for (const [offset, length] of [
    [0, 25],
    [24, 1],
    [-1, 2],
  ]) {
    const error = await tensor.read(offset, length).catch((caught: unknown) => caught);
    assert.is(error instanceof BaichuanError && error.code, 'io-range');
  }
});

safetensors(
  'law: closing the checkpoint closes its file, and so does a failure to open',
  async () => {
    const closed: string[] = [];
    const watched = (name: string, bytes: Uint8Array) => {
      const inner = bufferSource(name, bytes);
      return { ...inner, close: async () => void closed.push(name) };
    };
    await (await openSafetensors(watched('good', valid))).close();
    await openSafetensors(watched('bad', valid.slice(0, -1))).catch(() => undefined);
    assert.equal(closed, ['good', 'bad']);
  },
);

safetensors(
  'law: maxHeaderBytes raises the limit of the header, up to that of the format',
  async () => {
    const padded = joinBytes(utf8('{}'), new Uint8Array(17_000_000 - 2).fill(0x20));
    const file = safetensorsFile(padded);
    const options = { maxHeaderBytes: 17_000_000 };
    const checkpoint = await openSafetensors(bufferSource('wide', file), options);
    assert.is(checkpoint.tensors.size, 0);
    await refuseSafetensors(file, {
      code: 'safetensors-header-cap',
      message: ['17000000', '16000000'],
      fix: 'maxHeaderBytes',
    });
  },
);

safetensors('law: a header whose length has the bytes of gzip is no gzip', async () => {
  const header = joinBytes(utf8('{}'), new Uint8Array(0x88b1f - 2).fill(0x20));
  assert.is((await openBytes(safetensorsFile(header))).tensors.size, 0);
});

safetensors('error: ST01 an empty file', async () => {
  const expected = { code: 'safetensors-short', expected: 8, found: 0, fix: 'Download' } as const;
  await refuseSafetensors(new Uint8Array(0), expected);
});

safetensors('error: ST02 seven bytes', async () => {
  const expected = { code: 'safetensors-short', expected: 8, found: 7 } as const;
  await refuseSafetensors(valid.slice(0, 7), expected);
});

safetensors('error: ST03 a Git LFS pointer', async () => {
  const oid = `sha256:${'ab'.repeat(32)}`;
  const text = `version https://git-lfs.github.com/spec/v1\noid ${oid}\nsize 9974565424\n`;
  const message = [oid, '9974565424', `${text.length} bytes`];
  await refuseSafetensors(utf8(text), { code: 'io-lfs', message, fix: 'git lfs pull' });
});

safetensors('error: ST04 a page of HTML, XML or JSON instead of the file', async () => {
  const pages = {
    html: '<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>',
    xml: '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    json: '{"error":"Repository not found"}',
  };
  for (const page of Object.values(pages)) {
    const message = JSON.stringify(page.slice(0, 8)).slice(1, -1);
    await refuseSafetensors(utf8(page), { code: 'io-html', message, fix: 'Download' });
  }
});

safetensors(
  'error: ST05 an archive, a GGUF or a pickle under the name of safetensors',
  async () => {
    const magics: [string, number[]][] = [
      ['gzip', [0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6]],
      ['zip', [0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0]],
      ['7z', [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0, 4, 0, 0]],
      ['GGUF', [0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0, 1, 0]],
      ['pickle', [0x80, 2, 0x7d, 0x71, 0, 0x58, 1, 0, 0, 0]],
    ];
    for (const [format, magic] of magics) {
      const bytes = joinBytes(Uint8Array.from(magic), new Uint8Array(100));
      await refuseSafetensors(bytes, { code: 'io-magic', message: format, found: format });
    }
  },
);

safetensors('error: ST06 a header of length 0', async () => {
  const bytes = joinBytes(lengthBytes(0), new Uint8Array(20));
  await refuseSafetensors(bytes, { code: 'safetensors-header-empty', where: 'byte 0' });
});

safetensors('error: ST07 a header longer than the file', async () => {
  const bytes = joinBytes(lengthBytes(1000), utf8('{}'));
  const message = ['1000', 'only 2'];
  const expected = { code: 'safetensors-header-length', message, fix: 'cut short' } as const;
  await refuseSafetensors(bytes, expected);
});

safetensors('error: ST08 a header longer than any, to the last digit', async () => {
  for (const length of [100_000_001n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    const bytes = joinBytes(lengthBytes(length), utf8('{} and more'));
    const message = `have ${length} bytes`;
    const code = 'safetensors-header-cap';
    await refuseSafetensors(bytes, { code, message, found: String(length), withinMs: 100 });
  }
});

safetensors('error: ST09 a header that is not UTF-8, or has a byte order mark', async () => {
  const code = 'safetensors-utf8';
  const bad = joinBytes(utf8('{"a'), Uint8Array.from([0xc3, 0x28]), utf8('":{}}'));
  await refuseSafetensors(safetensorsFile(bad), { code, where: 'byte 11', found: '0xc3' });
  const marked = safetensorsFile('\ufeff{}');
  await refuseSafetensors(marked, { code, where: 'byte 8', message: 'byte order mark' });
});

safetensors('error: ST10 a header that is no JSON', async () => {
  const broken = {
    '{"a":{"dtype":"F32"': 'line 1, column 20, byte 27',
    '{"a":{"shape":[1,]}}': 'line 1, column 18',
    '{"a":\n NaN}': 'line 2, column 2, byte 15',
    '{"a":1} // tail': 'line 1, column 9',
    "{'a':1}": 'line 1, column 2',
    '{}\u0000\u0000': 'line 1, column 3',
  };
  for (const [text, where] of Object.entries(broken)) {
    await refuseSafetensors(safetensorsFile(text), { code: 'json-syntax', where, fix: 'Correct' });
  }
});

safetensors('error: ST11 a header that is no object, or does not begin with one', async () => {
  const roots = {
    '[]': 'an array of 0',
    null: 'null',
    '"x"': '"x"',
    '7': '7',
    ' {}': 'white space',
  };
  for (const [text, found] of Object.entries(roots)) {
    const expected = { code: 'safetensors-root', where: 'byte 8', found } as const;
    await refuseSafetensors(safetensorsFile(text), expected);
  }
});

safetensors('error: ST12 a million arrays inside each other, within 50 ms', async () => {
  const bytes = safetensorsFile('['.repeat(1_000_000));
  await refuseSafetensors(bytes, { code: 'json-depth', expected: 64, withinMs: 50 });
});

safetensors.run();
