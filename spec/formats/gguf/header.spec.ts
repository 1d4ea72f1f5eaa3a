import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../../src/errors.ts';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { readGgufHeader } from '../../../src/formats/gguf/header.ts';
import { spellingsOf } from '../../../src/formats/gguf/spellings.ts';
import {
  array,
  bool,
  ggufFile,
  pair,
  type RawGguf,
  type RawTensor,
  setPair,
  smallModel,
  string,
  text,
  u8,
  u32,
  u64,
  uint,
  VALUE,
} from '../../support/gguf-files.ts';
import { joinBytes, SOURCE_KINDS, utf8 } from '../../support/model-files.ts';
import { type ExpectedRefusal, expectRefusal } from '../../support/refusal.ts';

const header = suite('gguf-header');
const FILE = 'model.gguf';

/** The same refusal from each kind of source (I6). */
async function refuse(bytes: Uint8Array, expected: ExpectedRefusal): Promise<void> {
  const open = async (kind: string) => {
    const source = await SOURCE_KINDS[kind](FILE, bytes);
    return readGgufHeader(source).finally(() => source.close());
  };
  const error = await expectRefusal(() => open('buffer'), { file: FILE, ...expected });
  for (const kind of ['blob', 'file']) {
    const other = await open(kind).catch((caught: unknown) => caught);
    assert.is(String(other), String(error), `I6: ${kind} differs from buffer`);
  }
}

const damaged = (edit: (file: RawGguf) => void) => {
  const file: RawGguf = {
    pairs: [uint('a', 7), string('b', '世')],
    tensors: [tensor('t', [3, 2], 0, 24), tensor('u', [32, 2], 8, 68)],
  };
  edit(file);
  return ggufFile(file);
};

function tensor(name: string, axes: number[], type: number, byteLength: number): RawTensor {
  return { name, axes, type, data: new Uint8Array(byteLength).fill(name.charCodeAt(0)) };
}

header('golden: values, names, shapes and places are those of the file', async () => {
  const bytes = ggufFile({
    pairs: [
      pair('u8', 'uint8', u8(200)),
      pair('i8', 'int8', u8(200)),
      pair('u16', 'uint16', u8(1, 2)),
      pair('i16', 'int16', u8(255, 255)),
      uint('u32', 4_000_000_000),
      pair('i32', 'int32', u32(4_294_967_295)),
      pair('f32', 'float32', u8(0, 0, 0xc0, 0x3f)),
      bool('bool', true),
      string('text', '世界'),
      pair('u64', 'uint64', u64(2n ** 53n + 1n)),
      pair('i64', 'int64', u64(-5)),
      pair('f64', 'float64', new Uint8Array(Float64Array.of(0.1).buffer)),
      array('texts', 'string', [text('x'), text(''), text(u8(0xff))]),
      array('floats', 'float32', [u8(0, 0, 0, 0xc0)]),
      array('ints', 'int32', [u32(4_294_967_294), u32(3)]),
      array('bytes', 'uint8', [u8(1), u8(2), u8(3)]),
    ],
    tensors: [tensor('t', [3, 2], 0, 24), tensor('世', [256, 1, 2], 10, 168)],
  });
  const { version, metadata, tensors, notices } = await readGgufHeader(bufferSource(FILE, bytes));
  assert.is(version, 3);
  const plain = [...metadata].filter(([, { type }]) => type !== 'array');
  assert.equal(
    plain.map(([key, entry]) => [key, entry.type === 'array' ? '' : entry.value]),
    [
      ...([
        ['u8', 200],
        ['i8', -56],
        ['u16', 513],
        ['i16', -1],
        ['u32', 4_000_000_000],
      ] as const),
      ...([
        ['i32', -1],
        ['f32', 1.5],
        ['bool', true],
        ['text', '世界'],
      ] as const),
      ...([
        ['u64', 2n ** 53n + 1n],
        ['i64', -5],
        ['f64', 0.1],
      ] as const),
    ],
  );
  const items = spellingsOf(['x', '', u8(0xff)]);
  assert.equal(metadata.get('texts'), { type: 'array', of: 'string', items });
  const floats = { type: 'array', of: 'float32', items: Float32Array.of(-2) };
  assert.equal(metadata.get('floats'), floats);
  assert.equal(metadata.get('ints'), { type: 'array', of: 'int32', items: Int32Array.of(-2, 3) });
  const what = 'an array of 3 uint8';
  assert.equal(metadata.get('bytes'), { type: 'array', of: 'other', what });
  const start = bytes.length - 32 - 168;
  assert.equal(
    tensors.map(({ name, type, shape, byteOffset, byteLength }) => {
      return [name, type, shape, byteOffset, byteLength];
    }),
    [
      ['t', 'F32', [2, 3], start, 24],
      ['世', 'Q2_K', [2, 1, 256], start + 32, 168],
    ],
  );
  assert.equal(notices, []);
});

header('law: version 2 reads as version 3 does', async () => {
  const read = async (version: number) => {
    const bytes = damaged((file) => Object.assign(file, { version }));
    const { version: found, ...rest } = await readGgufHeader(bufferSource(FILE, bytes));
    assert.is(found, version);
    return rest;
  };
  assert.equal(await read(2), await read(3));
});

header('law: the alignment of the file moves the data', async () => {
  for (const alignment of [1, 8, 32, 64, 65_536]) {
    const edit = (file: RawGguf) => {
      setPair(file, uint('general.alignment', alignment));
      file.alignment = alignment;
    };
    const { tensors } = await readGgufHeader(bufferSource(FILE, damaged(edit)));
    for (const { byteOffset } of tensors) assert.is(byteOffset % alignment, 0);
    assert.is(tensors[1].byteOffset - tensors[0].byteOffset, Math.ceil(24 / alignment) * alignment);
  }
});

header('law: only the header is read, in pieces', async () => {
  const inner = bufferSource(
    FILE,
    damaged((file) => {
      file.tensors = [tensor('t', [1000, 1000], 0, 4_000_000)];
    }),
  );
  let most = 0;
  const read = (byteOffset: number, byteLength: number) => {
    most = Math.max(most, byteOffset + byteLength);
    return inner.read(byteOffset, byteLength);
  };
  await readGgufHeader({ ...inner, read });
  assert.ok(most <= 2 ** 18 + 64, `${most} bytes were read`);
});

header('error: GG01 other magic words, and big-endian files', async () => {
  const magics = { lmgg: 'GGML', fmgg: 'GGMF', tjgg: 'GGJT', algg: 'GGLA' };
  for (const [bytes, name] of Object.entries(magics)) {
    const file = joinBytes(utf8(bytes), new Uint8Array(100));
    await refuse(file, { code: 'gguf-magic', message: name, found: name, fix: 'Convert' });
  }
  await refuse(new Uint8Array(100).fill(7), { code: 'gguf-magic', found: '07 07 07 07' });
  await refuse(utf8('GG'), { code: 'gguf-magic', found: '47 47' });
  await refuse(u8(), { code: 'io-magic', message: 'empty' });
  const code = 'gguf-big-endian';
  const swapped = joinBytes(utf8('GGUF'), u8(0, 0, 0, 3), new Uint8Array(100));
  await refuse(swapped, { code, message: 'big-endian', fix: 'little-endian' });
  await refuse(joinBytes(utf8('FUGG'), new Uint8Array(100)), { code });
  const zip = joinBytes(u8(0x50, 0x4b, 3, 4), new Uint8Array(100));
  await refuse(zip, { code: 'io-magic', found: 'zip' });
});

header('error: GG02 other versions', async () => {
  for (const version of [0, 1, 4, 2 ** 31]) {
    const bytes = damaged((file) => Object.assign(file, { version }));
    await refuse(bytes, { code: 'gguf-version', where: 'byte 4', found: version });
  }
});

header('error: GG03 counts that no file can hold', async () => {
  for (const count of [-1, 2 ** 31, 2n ** 63n]) {
    const shown = String(BigInt.asUintN(64, BigInt(count)));
    const message = ['bytes left cannot hold', shown];
    const tensors = damaged((file) => Object.assign(file, { tensorCount: count }));
    await refuse(tensors, { code: 'gguf-count', where: 'tensors', message, found: shown });
    const pairs = damaged((file) => Object.assign(file, { pairCount: count }));
    await refuse(pairs, { code: 'gguf-count', where: 'pairs', message, found: shown });
  }
  const many = damaged((file) => Object.assign(file, { pairCount: 60_000 }));
  await refuse(many, { code: 'gguf-truncated', where: 'pairs', message: 'cannot hold 60000' });
});

header('error: GG05 keys that are none', async () => {
  const withKey = (key: Uint8Array) =>
    damaged((file) => file.pairs.unshift({ key, type: 4, value: u32(1) }));
  const code = 'gguf-key';
  await refuse(withKey(u8()), { code, where: 'byte 24', message: '0 bytes' });
  await refuse(withKey(new Uint8Array(65_537).fill(97)), { code, message: '65537' });
  await refuse(withKey(u8(97, 0xc3, 0x28)), { code, where: 'byte 33', message: 'UTF-8' });
  const endless = withKey(utf8('abcdefgh'));
  endless.set(u64(2n ** 63n), 24);
  await refuse(endless, { code, where: 'byte 24', message: String(2n ** 63n) });
  endless.set(u64(60_000), 24);
  await refuse(endless, { code: 'gguf-truncated', where: 'a key' });
});

header('error: GG06 a key given twice, and 65,536 keys in linear time', async () => {
  const twice = damaged((file) => file.pairs.push(uint('a', 8)));
  await refuse(twice, { code: 'gguf-duplicate', where: 'key "a"', expected: 1, found: 2 });
  const pairs = Array.from({ length: 65_536 }, (_, index) => uint(`key.${index}`, index));
  pairs[65_535] = uint('key.0', 1);
  const many = ggufFile({ pairs, tensors: [] });
  await refuse(many, { code: 'gguf-duplicate', where: '"key.0"', withinMs: 1000 });
});

header('error: GG07 types that are none, and arrays of arrays', async () => {
  const code = 'gguf-type';
  for (const type of [13, 255, 2 ** 32 - 1]) {
    const bytes = damaged((file) => file.pairs.push({ key: 'k', type, value: u32(0) }));
    await refuse(bytes, { code, where: '"k"', message: String(type) });
    const value = joinBytes(u32(type), u64(1), u32(0));
    const items = damaged((file) => file.pairs.push(pair('k', 'array', value)));
    await refuse(items, { code, where: '"k"', message: String(type) });
  }
  const nested = joinBytes(u32(VALUE.array), u64(1), u32(4), u64(0));
  const bytes = damaged((file) => file.pairs.push(pair('k', 'array', nested)));
  await refuse(bytes, { code, where: '"k"', message: 'array of arrays' });
});

header('error: GG08 arrays longer than the file', async () => {
  for (const length of [2n ** 63n, 2n ** 32n, 4n * 2n ** 20n + 1n, 1_000_000n]) {
    for (const type of [0, 5, 8]) {
      const value = joinBytes(u32(type), u64(length));
      const bytes = damaged((file) => file.pairs.push(pair('k', 'array', value)));
      const message = ['bytes left', String(length)];
      await refuse(bytes, { code: 'gguf-array', where: '"k"', message });
    }
  }
  const value = (length: number) => joinBytes(u32(0), u64(length), new Uint8Array(5));
  const ending = (length: number) =>
    ggufFile({ pairs: [pair('k', 'array', value(length))], tensors: [], alignment: 1 });
  await readGgufHeader(bufferSource(FILE, ending(5)));
  await refuse(ending(6), { code: 'gguf-array', where: '"k"', message: '5 bytes left' });
});

header('error: GG09 a truth value that is neither 0 nor 1', async () => {
  const bytes = damaged((file) => file.pairs.push(pair('k', 'bool', u8(2))));
  await refuse(bytes, { code: 'gguf-bool', where: '"k"', message: 'byte 2' });
  const items = damaged((file) => file.pairs.push(array('k', 'bool', [u8(1), u8(255)])));
  await refuse(items, { code: 'gguf-bool', where: '"k"', message: 'byte 255' });
});

header('error: texts that are no UTF-8 or too long', async () => {
  const code = 'gguf-text';
  const broken = damaged((file) => file.pairs.push(pair('k', 'string', text(u8(97, 0xff)))));
  await refuse(broken, { code, where: '"k"', message: 'UTF-8' });
  const long = joinBytes(u64(2 ** 20 + 1), new Uint8Array(100));
  const bytes = damaged((file) => file.pairs.push(pair('k', 'string', long)));
  await refuse(bytes, { code, where: '"k"', message: '1048577' });
  const item = damaged((file) => file.pairs.push(array('k', 'string', [u64(2n ** 63n)])));
  await refuse(item, { code, where: '"k"', message: String(2n ** 63n) });
});

header('error: GG10 alignments that are none', async () => {
  const code = 'gguf-alignment';
  for (const alignment of [0, 3, 13, 131_072, 2 ** 30]) {
    const bytes = damaged((file) => file.pairs.push(uint('general.alignment', alignment)));
    await refuse(bytes, { code, where: 'general.alignment', found: String(alignment) });
  }
  const signed = damaged((file) => file.pairs.push(pair('general.alignment', 'int32', u32(32))));
  await refuse(signed, { code, found: 'a value of type int32' });
  const words = damaged((file) => file.pairs.push(string('general.alignment', '32')));
  await refuse(words, { code, found: 'a value of type string' });
});

header('error: GG11 numbers of axes that are none', async () => {
  for (const axisCount of [0, 5, 2 ** 32 - 1]) {
    const bytes = damaged((file) => Object.assign(file.tensors[0], { axisCount }));
    await refuse(bytes, { code: 'gguf-rank', where: '"t"', found: axisCount });
  }
});

header('error: GG12 axes of no size, or of more than the file can hold', async () => {
  const code = 'gguf-dim';
  const cases: (number | bigint)[][] = [
    ...[[0], [3, 0], [-1], [2n ** 63n - 1n], [2n ** 63n - 1n, 2], [2 ** 32 + 1]],
    ...[[2 ** 32, 2 ** 32], [2 ** 16, 2 ** 16, 2 ** 16, 2 ** 16], [4000]],
  ];
  for (const axes of cases) {
    const bytes = damaged((file) => Object.assign(file.tensors[0], { axes }));
    await refuse(bytes, { code, where: '"t"' });
  }
  const axes = [5_124_095_576_030_431_008n];
  const wrapped = damaged((file) => Object.assign(file.tensors[0], { axes, type: 2 }));
  await refuse(wrapped, { code, where: '"t"', found: String(axes[0]) });
});

header('error: GG13 rows that are no whole blocks', async () => {
  for (const [type, columns] of [
    [8, 33],
    [2, 16],
    [12, 128],
  ]) {
    const axes = [columns];
    const bytes = damaged((file) => Object.assign(file.tensors[0], { axes, type }));
    await refuse(bytes, { code: 'gguf-block', where: '"t"', found: columns });
  }
});

header('error: GG14 types that are removed, unknown or not read', async () => {
  const names = { 4: 'Q4_2', 5: 'Q4_3', 16: 'IQ2_XXS', 31: 'Q4_0_4_4', 38: 'IQ4_NL_8_8', 200: '' };
  for (const [number, name] of Object.entries(names)) {
    const type = Number(number);
    const bytes = damaged((file) => Object.assign(file.tensors[0], { type }));
    const message = [number, name || 'unknown', 'Q6_K'];
    await refuse(bytes, { code: 'gguf-dtype', where: '"t"', message, fix: 'llama-quantize' });
  }
});

header('error: GG15 data that does not follow in order', async () => {
  const at = (offset: number | bigint) =>
    damaged((file) => Object.assign(file.tensors[1], { offset }));
  const code = 'gguf-offset';
  const where = 'tensor "u"';
  await refuse(at(24), { code, where, message: 'alignment', expected: 32, found: '24' });
  await refuse(at(0), { code, where, message: 'over another tensor' });
  await refuse(at(64), { code, where, message: 'hole' });
  await refuse(at(2n ** 63n), { code, where, found: String(2n ** 63n) });
  const reversed = damaged(({ tensors: [first, second] }) => {
    first.offset = 96;
    second.offset = 0;
  });
  await refuse(reversed, { code, where: 'tensor "t"' });
});

header('error: GG16 names given twice, or that are none', async () => {
  const named = (name: string | Uint8Array) =>
    damaged((file) => Object.assign(file.tensors[1], { name }));
  await refuse(named('t'), { code: 'gguf-duplicate', where: 'tensor "t"' });
  const code = 'gguf-name';
  await refuse(named('n'.repeat(64)), { code, where: 'tensor 1', message: '64 bytes' });
  await refuse(named(''), { code, message: '0 bytes' });
  await refuse(named('a\u0000b'), { code, message: 'not printable' });
  await refuse(named('a\u202eb'), { code, message: 'not printable' });
  await refuse(named(u8(0xff)), { code, message: 'UTF-8' });
  await readGgufHeader(bufferSource(FILE, named('n'.repeat(63))));
});

header('error: GG17 data cut short; what follows the data is said', async () => {
  const whole = damaged(() => {});
  const cut = whole.slice(0, -1);
  const expected = { code: 'gguf-truncated', where: 'tensor "u"', found: cut.length } as const;
  await refuse(cut, { ...expected, fix: 'cut short' });
  const noticesOf = async (trailing: Uint8Array) => {
    const bytes = joinBytes(whole, trailing);
    return (await readGgufHeader(bufferSource(FILE, bytes))).notices;
  };
  const padding = (32 - (whole.length % 32)) % 32;
  assert.equal(await noticesOf(new Uint8Array(padding)), []);
  assert.match((await noticesOf(new Uint8Array(padding + 5))).join(), /5 bytes after its last/);
});

header('error: GG04 every truncation of a valid file names place and field', async () => {
  const whole = smallModel();
  const { tensors } = await readGgufHeader(bufferSource(FILE, whole));
  const headerEnd = tensors[0].byteOffset;
  const codes = new Set<string>();
  // Every byte up to the vocabulary and from the end of it on, and 97 steps within it.
  const lengths = Array.from({ length: headerEnd }, (_, i) => i).filter(
    (i) => i < 700 || i > headerEnd - 1500 || i % 97 === 0,
  );
  for (const length of lengths) {
    const source = bufferSource(FILE, whole.slice(0, length));
    const error = await readGgufHeader(source).catch((caught: unknown) => caught);
    assert.instance(error, BaichuanError, `${length} bytes`);
    const { code, where } = error as BaichuanError;
    codes.add(code);
    if (length >= 4) assert.match(where ?? '', /byte \d+|tensor/, `${length} bytes`);
  }
  const allowed = ['gguf-array', 'gguf-magic', 'gguf-truncated', 'io-magic'];
  assert.equal([...codes].sort(), allowed);
});

header.run();
