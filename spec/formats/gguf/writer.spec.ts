import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteSink } from '../../../src/formats/byte-source.ts';
import { spellingsOf } from '../../../src/formats/gguf/spellings.ts';
import type { GgufValue } from '../../../src/formats/gguf/values.ts';
import {
  type GgufTensorToWrite,
  ggufByteLength,
  ggufHeader,
  writeGguf,
} from '../../../src/formats/gguf/writer.ts';
import { joinBytes, utf8 } from '../../support/model-files.ts';
import { expectRefusal } from '../../support/refusal.ts';

const writer = suite('gguf-writer');

function memorySink(): ByteSink & { readonly pieces: Uint8Array[] } {
  const pieces: Uint8Array[] = [];
  return { pieces, write: async (bytes) => void pieces.push(Uint8Array.from(bytes)) };
}

const u8 = (...bytes: number[]) => Uint8Array.from(bytes);
const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: number) => joinBytes(u32(value), u32(0));
const text = (value: string) => joinBytes(u64(utf8(value).length), utf8(value));

writer('golden: a file byte for byte, as the description of the format lays it out', async () => {
  const metadata = new Map<string, GgufValue>([
    ['a', { type: 'uint32', value: 7 }],
    ['b', { type: 'bool', value: true }],
    ['c', { type: 'string', value: '世' }],
    ['d', { type: 'float32', value: 1.5 }],
    ['e', { type: 'array', of: 'string', items: spellingsOf(['x', '', u8(0xff)]) }],
    ['f', { type: 'array', of: 'int32', items: Int32Array.of(-1, 2) }],
    ['g', { type: 'array', of: 'float32', items: Float32Array.of(-2) }],
  ]);
  const data = [u8(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), new Uint8Array(36).fill(9)];
  const tensors: GgufTensorToWrite[] = [
    { name: 't', type: 'F16', shape: [2, 3], chunks: [data[0].slice(0, 5), data[0].slice(5)] },
    { name: 'q', type: 'Q4_0', shape: [2, 32], chunks: [data[1]] },
  ];
  const sink = memorySink();
  await writeGguf(sink, metadata, tensors);
  const pairs = [
    [text('a'), u32(4), u32(7)],
    [text('b'), u32(7), u8(1)],
    [text('c'), u32(8), text('世')],
    [text('d'), u32(6), u8(0, 0, 0xc0, 0x3f)],
    [text('e'), u32(9), u32(8), u64(3), text('x'), text(''), u64(1), u8(0xff)],
    [text('f'), u32(9), u32(5), u64(2), u8(255, 255, 255, 255, 2, 0, 0, 0)],
    [text('g'), u32(9), u32(6), u64(1), u8(0, 0, 0, 0xc0)],
  ];
  const infos = [
    [text('t'), u32(2), u64(3), u64(2), u32(1), u64(0)],
    [text('q'), u32(2), u64(32), u64(2), u32(2), u64(32)],
  ];
  const header = joinBytes(utf8('GGUF'), u32(3), u64(2), u64(7), ...pairs.flat(), ...infos.flat());
  const padding = new Uint8Array((32 - (header.length % 32)) % 32);
  const expected = joinBytes(
    ...[header, padding, data[0], new Uint8Array(20), data[1], new Uint8Array(28)],
  );
  assert.equal([...joinBytes(...sink.pieces)], [...expected]);
});

writer('law: data is asked for only when its turn has come', async () => {
  const order: string[] = [];
  async function* source(name: string) {
    order.push(`${name} asked`);
    yield new Uint8Array(32);
    order.push(`${name} done`);
  }
  const tensors = ['a', 'b'].map((name) => ({
    ...{ name, type: 'F32' as const, shape: [8] },
    chunks: source(name),
  }));
  const sink = { write: async (bytes: Uint8Array) => void order.push(`${bytes.length}`) };
  await writeGguf(sink, new Map(), tensors);
  const header = ggufHeader(new Map(), tensors).length;
  assert.equal(order, [`${header}`, 'a asked', '32', 'a done', 'b asked', '32', 'b done']);
});

writer('law: the size of a tensor is its blocks times their bytes', () => {
  const sizes = { F32: 4, F16: 2, BF16: 2, Q8_0: 34 / 32, Q4_0: 18 / 32 } as const;
  for (const type of ['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0'] as const) {
    const byteLength = ggufByteLength({ name: 'a', type, shape: [3, 5, 64] });
    assert.is(byteLength, 3 * 5 * 64 * sizes[type], type);
  }
});

writer('error: data missing or too long, and shapes that no file holds', async () => {
  const code = 'shape-mismatch';
  const write = (byteLength: number) => () =>
    writeGguf(memorySink(), new Map(), [
      { name: 'a', type: 'F16', shape: [3], chunks: [new Uint8Array(byteLength)] },
    ]);
  await expectRefusal(write(5), { code, where: '"a"', expected: 6, found: 5, fix: 'all bytes' });
  await expectRefusal(write(7), { code, where: '"a"', expected: 6, found: 7 });
  for (const shape of [[], [0], [1, 33], [1.5, 32], [-1, 32], [2 ** 33, 32], [1, 1, 1, 1, 32]]) {
    const call = () => ggufByteLength({ name: 'a', type: 'Q8_0', shape });
    await expectRefusal(call, { code, where: '"a"', message: `[${shape.join(', ')}]` });
  }
});

writer('error: a name given twice, and a value that is only described', async () => {
  const one = { name: 'a', type: 'F32', shape: [1] } as const;
  const twice = () => ggufHeader(new Map(), [one, one]);
  await expectRefusal(twice, { code: 'gguf-duplicate', where: '"a"' });
  const value: GgufValue = { type: 'array', of: 'other', what: 'an array of 3 uint8' };
  const vague = () => ggufHeader(new Map([['k', value]]), []);
  await expectRefusal(vague, { code: 'gguf-type', where: '"k"', message: 'uint8' });
});

writer.run();
