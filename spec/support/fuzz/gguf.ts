/** GGUF as a target: small models of several types and vocabularies, then up to three edits of one
 *  field, record or byte. The second reader is a plain one of the header, below. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { openGguf } from '../../../src/formats/gguf/open.ts';
import { tokenizerFromPieces } from '../../../src/tokenizer/index.ts';
import {
  ggufFile,
  type RawGguf,
  SMALL,
  SMALL_PIECES,
  smallPairs,
  smallTensors,
  u32,
  u64,
} from '../gguf-files.ts';
import { joinBytes } from '../model-files.ts';
import { otherGguf } from './gguf-reader.ts';
import { type FuzzTarget, fuzzSource } from './target.ts';

/** Numbers at which readers break. */
const EDGES = [
  ...[0n, 1n, 2n, 31n, 32n, 33n, 64n, 255n, 256n, 2n ** 16n],
  ...[2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 32n + 1n],
  ...[2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
];

interface Edit {
  readonly kind: string;
  readonly at: number;
  readonly edge: bigint;
  readonly byte: number;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.oneof(
    { weight: 35, arbitrary: fc.constantFrom('count', 'axis', 'offset', 'length', 'value') },
    { weight: 15, arbitrary: fc.constantFrom('cut', 'extend') },
    { weight: 15, arbitrary: fc.constantFrom('drop', 'double', 'swap') },
    { weight: 15, arbitrary: fc.constantFrom('type', 'ggml-type', 'version') },
    { weight: 10, arbitrary: fc.constantFrom('name', 'text') },
    { weight: 10, arbitrary: fc.constantFrom('bit', 'byte') },
  ),
  at: fc.nat(2 ** 30),
  edge: fc.oneof(fc.constantFrom(...EDGES), fc.bigInt({ min: 0n, max: 400n })),
  byte: fc.nat(255),
});

/** Damages the structure; what is done to bytes comes after. */
function editStructure(file: RawGguf, { kind, at, edge, byte }: Edit): void {
  const { pairs, tensors } = file;
  const pair = pairs[at % pairs.length];
  const tensor = tensors[at % tensors.length];
  const set = at % 2 === 0;
  const number = Number(BigInt.asUintN(32, edge));
  if (kind === 'count') Object.assign(file, set ? { pairCount: edge } : { tensorCount: edge });
  else if (kind === 'axis') tensor.axes[byte % tensor.axes.length] = edge;
  else if (kind === 'offset') tensor.offset = edge;
  else if (kind === 'value') pair.value = u64(edge).slice(0, Math.min(8, pair.value.length));
  else if (kind === 'length') {
    const start = pair.type === 9 ? 4 : 0;
    const changed = Uint8Array.from(pair.value);
    if (changed.length >= start + 8) changed.set(u64(edge), start);
    pair.value = changed;
  } else if (kind === 'drop')
    (set ? pairs : tensors).splice(at % (set ? pairs : tensors).length, 1);
  else if (kind === 'double') {
    if (set) pairs.push(pair);
    else tensors.push(tensor);
  } else if (kind === 'swap') (set ? pairs : tensors).reverse();
  else if (kind === 'type') pair.type = set ? byte % 14 : number;
  else if (kind === 'ggml-type') tensor.type = set ? byte % 41 : number;
  else if (kind === 'version') file.version = number;
  else if (kind === 'name')
    tensor.name = Uint8Array.from({ length: byte }, (_, i) => (at + i) % 256);
  else if (kind === 'text') pair.key = Uint8Array.from({ length: byte % 40 }, (_, i) => at + i);
}

function editBytes(bytes: Uint8Array, { kind, at, byte }: Edit): Uint8Array {
  const place = bytes.length === 0 ? 0 : at % bytes.length;
  if (kind === 'cut') return bytes.slice(0, place);
  if (kind === 'extend') return joinBytes(bytes, new Uint8Array(byte).fill(at));
  if (kind !== 'bit' && kind !== 'byte') return bytes;
  const changed = Uint8Array.from(bytes);
  changed[place] = kind === 'bit' ? changed[place] ^ (1 << (byte % 8)) : byte;
  return changed;
}

const TENSORS = smallTensors();

/** Pieces of the vocabularies: none, without and with the bytes. */
const VOCABULARIES = [[], SMALL_PIECES.slice(0, 3), SMALL_PIECES];

/** The types of floats, by number: F32, F16, BF16. */
const FLOATS: Readonly<Record<number, number>> = { 0: 4, 1: 2, 30: 2 };

const models: fc.Arbitrary<RawGguf> = fc
  .record({
    vocabulary: fc.constantFrom(0, 0, 0, 0, 1, 1, 1, 2),
    version: fc.constantFrom(2, 3, 3),
    alignment: fc.constantFrom(32, 32, 8, 256),
    types: fc.array(fc.constantFrom(0, 0, 0, 1, 30), { maxLength: 9 }),
  })
  .map(({ vocabulary, version, alignment, types }) => {
    const pieces = VOCABULARIES[vocabulary];
    const rows = Math.max(3, pieces.length);
    const pairs = smallPairs(pieces).filter(
      ({ key }) => rows === pieces.length || !/tokenizer/.test(String(key)),
    );
    if (alignment !== 32)
      pairs.unshift({ key: 'general.alignment', type: 4, value: u32(alignment) });
    const tensors = TENSORS.map((tensor, index) => {
      const axes = tensor.axes.map((axis) => (axis === SMALL.V ? rows : axis));
      const type = axes.length === 2 ? (types[index % Math.max(1, types.length)] ?? 0) : 0;
      const elements = axes.reduce<number>((total, axis) => total * Number(axis), 1);
      return { ...tensor, axes, type, data: tensor.data.slice(0, elements * FLOATS[type]) };
    });
    return { version, alignment, pairs, tensors };
  });

/** Damaged models, and some whole ones. */
const damaged: fc.Arbitrary<Uint8Array> = fc
  .tuple(models, fc.array(edit, { maxLength: 3 }))
  .map(([file, edits]) => {
    for (const one of edits) {
      if (file.pairs.length > 0 && file.tensors.length > 0) editStructure(file, one);
    }
    return edits.reduce(editBytes, ggufFile(file));
  });

/** Bytes read at both ends of every tensor. */
const END_BYTES = 40;

interface OpenedTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
}

interface Opened {
  readonly tensors: ReadonlyMap<string, OpenedTensor>;
}

/** Opening, the ends of every tensor, and the tokenizer. */
export const ggufTarget: FuzzTarget = {
  name: 'gguf',
  cases: damaged,
  async open(bytes, blockBytes): Promise<Opened> {
    const source = fuzzSource('x.gguf', bytes, blockBytes);
    const { checkpoint, vocabulary, config } = await openGguf([source]);
    const tensors = new Map<string, OpenedTensor>();
    for (const [name, { dtype, shape, byteLength, read }] of checkpoint.tensors) {
      const length = Math.min(END_BYTES, byteLength);
      const [head, tail] = [await read(0, length), await read(byteLength - length, length)];
      assert.equal([head.length, tail.length], [length, length], 'reads are whole');
      tensors.set(name, { dtype, shape, byteLength, head, tail });
    }
    const ids = vocabulary && tokenizerFromPieces(vocabulary, { file: 'x.gguf' }).encode('ab 世');
    const { metadata, notices } = checkpoint;
    await checkpoint.close();
    const rest = { metadata, notices, ids, config: new TextDecoder().decode(config) };
    return { tensors, ...rest };
  },
  async expectSame(bytes, opened) {
    const { tensors } = opened as Opened;
    const other = otherGguf(bytes);
    const pairs = {
      'token_embd.weight': 'model.embed_tokens.weight',
      'output.weight': 'lm_head.weight',
    };
    for (const [name, published] of Object.entries(pairs)) {
      const found = tensors.get(published);
      const data = other.get(name) ?? new Uint8Array(0);
      assert.equal(found?.head, data.slice(0, found?.head.length), `I7: ${name}`);
    }
  },
};
