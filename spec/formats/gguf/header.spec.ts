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
  smallModel,
  string,
  text,
  u8,
  u32,
  u64,
  uint,
} from '../../support/gguf-files.ts';
import { damagedHeader, FILE, namedTensor, refuseHeader } from '../../support/gguf-headers.ts';
import { joinBytes, utf8 } from '../../support/model-files.ts';

const header = suite('gguf-header');

/** A value of every type, and tensors of one to three axes. */
const EVERYTHING = ggufFile({
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
    array('counts', 'uint32', [u32(4_294_967_294), u32(3)]),
    array('bytes', 'uint8', [u8(1), u8(2), u8(3)]),
  ],
  tensors: [namedTensor('t', [3, 2], 0, 24), namedTensor('世', [256, 1, 2], 10, 168)],
});

header('golden: values, names, shapes and places are those of the file', async () => {
  const { version, metadata, tensors, notices } = await readGgufHeader(
    bufferSource(FILE, EVERYTHING),
  );
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
  const counts = { type: 'array', of: 'uint32', items: Uint32Array.of(4_294_967_294, 3) };
  assert.equal(metadata.get('counts'), counts);
  const what = 'an array of 3 uint8';
  assert.equal(metadata.get('bytes'), { type: 'array', of: 'other', what });
  const start = EVERYTHING.length - 32 - 168;
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
    const bytes = damagedHeader((file) => Object.assign(file, { version }));
    const { version: found, ...rest } = await readGgufHeader(bufferSource(FILE, bytes));
    assert.is(found, version);
    return rest;
  };
  assert.equal(await read(2), await read(3));
});

header('law: only the header is read, in pieces', async () => {
  const inner = bufferSource(
    FILE,
    damagedHeader((file) => {
      file.tensors = [namedTensor('t', [1000, 1000], 0, 4_000_000)];
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
    await refuseHeader(file, { code: 'gguf-magic', message: name, found: name, fix: 'Convert' });
  }
  await refuseHeader(new Uint8Array(100).fill(7), { code: 'gguf-magic', found: '07 07 07 07' });
  await refuseHeader(utf8('GG'), { code: 'gguf-magic', found: '47 47' });
  await refuseHeader(u8(), { code: 'io-magic', message: 'empty' });
  const code = 'gguf-big-endian';
  const swapped = joinBytes(utf8('GGUF'), u8(0, 0, 0, 3), new Uint8Array(100));
  await refuseHeader(swapped, { code, message: 'big-endian', fix: 'little-endian' });
  await refuseHeader(joinBytes(utf8('FUGG'), new Uint8Array(100)), { code });
  const zip = joinBytes(u8(0x50, 0x4b, 3, 4), new Uint8Array(100));
  await refuseHeader(zip, { code: 'io-magic', found: 'zip' });
});

header('error: GG02 other versions', async () => {
  for (const version of [0, 1, 4, 2 ** 31]) {
    const bytes = damagedHeader((file) => Object.assign(file, { version }));
    await refuseHeader(bytes, { code: 'gguf-version', where: 'byte 4', found: version });
  }
});

header('error: GG03 counts that no file can hold', async () => {
  for (const count of [-1, 2 ** 31, 2n ** 63n]) {
    const shown = String(BigInt.asUintN(64, BigInt(count)));
    const message = ['bytes left cannot hold', shown];
    const tensors = damagedHeader((file) => Object.assign(file, { tensorCount: count }));
    await refuseHeader(tensors, { code: 'gguf-count', where: 'tensors', message, found: shown });
    const pairs = damagedHeader((file) => Object.assign(file, { pairCount: count }));
    await refuseHeader(pairs, { code: 'gguf-count', where: 'pairs', message, found: shown });
  }
  const many = damagedHeader((file) => Object.assign(file, { pairCount: 60_000 }));
  await refuseHeader(many, {
    code: 'gguf-truncated',
    where: 'pairs',
    message: 'cannot hold 60000',
  });
});

header('error: GG06 a key given twice, and 65,536 keys in linear time', async () => {
  const twice = damagedHeader((file) => file.pairs.push(uint('a', 8)));
  await refuseHeader(twice, { code: 'gguf-duplicate', where: 'key "a"', expected: 1, found: 2 });
  const pairs = Array.from({ length: 65_536 }, (_, index) => uint(`key.${index}`, index));
  pairs[65_535] = uint('key.0', 1);
  const many = ggufFile({ pairs, tensors: [] });
  await refuseHeader(many, { code: 'gguf-duplicate', where: '"key.0"', withinMs: 1000 });
});

header('error: GG10 alignments that are none', async () => {
  const code = 'gguf-alignment';
  for (const alignment of [0, 3, 13, 131_072, 2 ** 30]) {
    const bytes = damagedHeader((file) => file.pairs.push(uint('general.alignment', alignment)));
    await refuseHeader(bytes, { code, where: 'general.alignment', found: String(alignment) });
  }
  const signed = damagedHeader((file) =>
    file.pairs.push(pair('general.alignment', 'int32', u32(32))),
  );
  await refuseHeader(signed, { code, found: 'a value of type int32' });
  const words = damagedHeader((file) => file.pairs.push(string('general.alignment', '32')));
  await refuseHeader(words, { code, found: 'a value of type string' });
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
