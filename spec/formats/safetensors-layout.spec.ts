import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import {
  contentOf,
  float32Entry,
  joinBytes,
  openBytes,
  refuseSafetensors,
  safetensorsFile,
  utf8,
} from '../support/model-files.ts';

const layout = suite('safetensors-layout');

const valid = safetensorsFile(
  { __metadata__: { format: 'pt' }, a: float32Entry([2, 3], 0), 'b.世': float32Entry([], 24) },
  28,
);

layout('law: tensors may stand in the header in any order, and be empty', async () => {
  const header = {
    last: float32Entry([2], 8),
    empty: float32Entry([0, 7], 8),
    first: float32Entry([2], 0),
    end: float32Entry([0], 16),
  };
  const content = await contentOf(await openBytes(safetensorsFile(header, 16)));
  assert.equal(content.first.bytes, [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.equal(content.last.bytes, [8, 9, 10, 11, 12, 13, 14, 15]);
  assert.equal([content.empty.bytes, content.end.bytes], [[], []]);
});

layout('error: ST15 a hole between tensors, and before the first', async () => {
  const between = { a: float32Entry([1], 0), b: float32Entry([1], 68) };
  await refuseSafetensors(safetensorsFile(between, 72), {
    code: 'safetensors-hole',
    where: 'tensor "b"',
    message: '64 bytes',
    expected: 4,
    found: 68,
    fix: 'sha256',
  });
  const before = { a: float32Entry([1], 4) };
  const expected = { code: 'safetensors-hole', expected: 0, found: 4 } as const;
  await refuseSafetensors(safetensorsFile(before, 8), expected);
});

layout('error: ST16 tensors over the same bytes, named both', async () => {
  const header = { first: float32Entry([2], 0), second: float32Entry([2], 4) };
  await refuseSafetensors(safetensorsFile(header, 12), {
    code: 'safetensors-overlap',
    where: 'tensor "second"',
    message: 'tensor "first"',
    expected: 8,
    found: 4,
  });
  const names = Array.from({ length: 10_000 }, (_, index) => [`t${index}`, float32Entry([4], 0)]);
  await refuseSafetensors(safetensorsFile(Object.fromEntries(names), 16), {
    code: 'safetensors-overlap',
    message: ['"t0"', '"t1"'],
    withinBytes: 64 * 2 ** 20,
  });
});

layout('error: ST17 a byte missing, a byte too many, an archive behind the data', async () => {
  await refuseSafetensors(valid.slice(0, -1), {
    code: 'safetensors-truncated',
    where: `byte ${valid.length - 1}`,
    expected: 28,
    found: 27,
    message: '1 bytes are missing',
    fix: 'cut short',
  });
  const trailing = { code: 'safetensors-trailing', where: `byte ${valid.length}` } as const;
  await refuseSafetensors(joinBytes(valid, utf8('x')), { ...trailing, expected: 28, found: 29 });
  const archive = Uint8Array.from([0x50, 0x4b, 5, 6, ...new Array(18).fill(0)]);
  await refuseSafetensors(joinBytes(valid, archive), { ...trailing, found: 50 });
});

layout(
  'law: every shorter and every longer file is refused, from every kind of source',
  async () => {
    for (let length = 0; length < valid.length; length++) {
      const error = await openBytes(valid.slice(0, length)).catch((caught: unknown) => caught);
      assert.instance(error, BaichuanError, `${length} bytes`);
    }
    const longer = await openBytes(joinBytes(valid, new Uint8Array(1))).catch((error) => error);
    assert.is(longer.code, 'safetensors-trailing');
  },
);

layout(
  'law: every flip of one bit of a header is refused, or only renames and retypes',
  async () => {
    const headerEnd = valid.length - 28;
    const original = await contentOf(await openBytes(valid));
    for (let bit = 0; bit < headerEnd * 8; bit++) {
      const bytes = Uint8Array.from(valid);
      bytes[Math.floor(bit / 8)] ^= 1 << (bit % 8);
      const opened = await openBytes(bytes).catch((error: unknown) => error);
      if (opened instanceof BaichuanError) continue;
      const checkpoint = await openBytes(bytes);
      const total = [...checkpoint.tensors.values()].reduce((sum, t) => sum + t.byteLength, 0);
      assert.is(total, 28, `bit ${bit}`);
      const { a } = await contentOf(checkpoint);
      if (a !== undefined) assert.equal(a.bytes, original.a.bytes);
    }
  },
);

layout('law: any header over any data opens whole or fails by name', async () => {
  const number = fc.constantFrom(0, 1, 4, 8, -1, 1.5, 2 ** 31, 2 ** 32, 2 ** 53, '4', null);
  const entry = fc.record(
    {
      dtype: fc.constantFrom('F32', 'BF16', 'U8', 'I64', 'Q4_0', 7),
      shape: fc.oneof(fc.array(number, { maxLength: 3 }), number),
      data_offsets: fc.oneof(fc.array(number, { maxLength: 3 }), fc.constant([0, 4])),
      extra: number,
    },
    { requiredKeys: [], noNullPrototype: true },
  );
  const good = fc.constantFrom(float32Entry([1], 0), float32Entry([1], 4), float32Entry([0], 4));
  const key = fc.constantFrom('a', 'b', '__metadata__', '__proto__', '', '../x', 'c'.repeat(600));
  const header = fc.array(fc.tuple(key, fc.oneof(entry, good)), { maxLength: 3 });
  let opened = 0;
  await fc.assert(
    fc.asyncProperty(header, fc.constantFrom(0, 4, 8), async (members, dataBytes) => {
      const pairs = members.map(
        ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
      );
      const bytes = safetensorsFile(`{${pairs.join(',')}}`, dataBytes);
      try {
        const { tensors } = await openBytes(bytes);
        for (const { byteLength, read } of tensors.values()) {
          assert.is((await read(0, byteLength)).length, byteLength);
        }
        opened += 1;
      } catch (error) {
        assert.instance(error, BaichuanError);
      }
    }),
    { seed: 1, numRuns: 3000 },
  );
  assert.ok(opened > 50, `only ${opened} were valid`);
});

layout.run();
