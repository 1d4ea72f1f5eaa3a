/** tokenizer.model as a target: valid SentencePiece models, with hostile values here and there,
 *  then edits of the bytes. What loads must encode and decode; the second reader is a plain one of
 *  the wire format, below. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { loadTokenizer } from '../../../src/tokenizer/index.ts';
import { readModelProto } from '../../../src/tokenizer/model-proto.ts';
import { utf8 } from '../model-files.ts';
import { type Marked, MarkedWriter } from './marked.ts';
import { edits, mutate } from './mutate.ts';
import { displaced, type FuzzTarget } from './target.ts';

const TYPES = ['', 'normal', 'unknown', 'control', 'user-defined', 'unused', 'byte'];

interface Piece {
  readonly text: Uint8Array;
  readonly score: number;
  readonly type: number;
}

function pieceOf(text: string, type: number, score = 0): Piece {
  return { text: utf8(text), type, score };
}

const SPECIAL = [pieceOf('<unk>', 2), pieceOf('<s>', 3), pieceOf('</s>', 3)];
const BYTES = Array.from({ length: 256 }, (_, byte) =>
  pieceOf(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, 6),
);

function mostly<T>(right: fc.Arbitrary<T>, ...wrong: T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 40, arbitrary: right },
    { weight: 1, arbitrary: fc.constantFrom(...wrong) },
  );
}

const piece: fc.Arbitrary<Piece> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      text: mostly(
        fc
          .string({ unit: fc.constantFrom('a', 'b', '▁', '世'), minLength: 1, maxLength: 4 })
          .map(utf8),
        ...[new Uint8Array(0), Uint8Array.of(0xff), Uint8Array.of(0xed, 0xa0, 0x80)],
        ...[utf8('<unk>'), utf8('<0x41>'), utf8('\0'), utf8('a'.repeat(300))],
      ),
      score: mostly(fc.integer({ min: -9, max: 0 }), Number.NaN, Infinity, -3e38, 1e-45),
      type: mostly(fc.constant(1), 0, 2, 3, 5, 6, 7, 2 ** 31, 2 ** 32 + 1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('<reserved_1>', 'ab', ' ', '\n', '7', 'aaab', '<s>')
      .map((text) => pieceOf(text, 4)),
  },
);

/** Settings, as fields of their messages: a number is a varint, a text is bytes. */
type Settings = readonly (readonly [field: number, value: number | string])[];

const trainer: fc.Arbitrary<Settings> = fc.tuple(
  fc.constantFrom<[number, number]>([3, 2], [3, 2], [3, 2], [3, 2], [3, 2], [3, 1], [3, 9]),
  mostly<[number, number | string]>(
    fc.constantFrom<[number, number | string]>(
      [40, 0],
      [4, 64_000],
      [44, ' ⁇ '],
      [43, -1],
      [7, 'x'],
    ),
    ...(
      [
        [24, 1],
        [41, 9],
        [42, -1],
        [45, 'a'],
        [46, '<unk>'],
        [60, 1],
        [0, 1],
      ] as const
    ).map(([field, value]): [number, number | string] => [field, value]),
  ),
);

const normalizer: fc.Arbitrary<Settings> = fc.tuple(
  fc.nat(1).map((value) => [3, value] as const),
  fc.nat(1).map((value) => [4, value] as const),
  mostly<readonly [number, number | string]>(
    fc.nat(1).map((value) => [5, value] as const),
    ...([
      [2, 'x'],
      [9, 1],
      [1, 'identity'],
    ] as const),
  ),
);

/** Valid models but for the hostile values. */
const models: fc.Arbitrary<Marked> = fc
  .record({
    pieces: fc.uniqueArray(piece, {
      maxLength: 9,
      selector: ({ text }) => String(text),
    }),
    hasBytes: fc.constantFrom(false, false, false, false, false, true),
    trainer,
    normalizer,
    selfTest: mostly<[string, string] | undefined>(fc.constant(undefined), ['a', 'a'], ['b', 'c']),
  })
  .map(({ pieces, hasBytes, selfTest, ...specs }) => {
    const writer = new MarkedWriter();
    const all = [...SPECIAL, ...(hasBytes ? BYTES : []), ...pieces];
    for (const each of all) writer.record(() => writeMessage(writer, 1, pieceMessage(each)));
    const settings: Settings = [...specs.trainer, [35, Number(hasBytes)]];
    writer.record(() => writeMessage(writer, 2, settingsMessage(settings)));
    writer.record(() => writeMessage(writer, 3, settingsMessage(specs.normalizer)));
    if (selfTest === undefined) return writer.done();
    const sample = new MarkedWriter();
    writeMessage(sample, 1, settingsMessage(selfTest.map((text, index) => [index + 1, text])));
    writer.record(() => writeMessage(writer, 4, sample.done()));
    return writer.done();
  });

function writeMessage(writer: MarkedWriter, field: number, message: Marked): void {
  writer
    .varint(8 * field + 2, 'tag')
    .varint(message.bytes.length)
    .marked(message);
}

function pieceMessage({ text, score, type }: Piece): Marked {
  const writer = new MarkedWriter()
    .varint(8 + 2, 'tag')
    .varint(text.length)
    .text(text);
  const [bits] = new Uint32Array(Float32Array.of(score).buffer);
  writer.varint(16 + 5, 'tag').number(4, bits);
  return writer.varint(24, 'tag').varint(type).done();
}

function settingsMessage(settings: Settings): Marked {
  const writer = new MarkedWriter();
  for (const [field, value] of settings) {
    writer.record(() => {
      if (typeof value === 'number') writer.varint(8 * field, 'tag').varint(value);
      else {
        const text = utf8(value);
        writer
          .varint(8 * field + 2, 'tag')
          .varint(text.length)
          .text(text);
      }
    });
  }
  return writer.done();
}

/** Valid models, and models with one to three edits. */
const cases = fc.oneof(
  { weight: 1, arbitrary: models.map(({ bytes }) => bytes) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(models, edits, models)
      .map(([file, changes, other]) => mutate(file, changes, other)),
  },
);

function placed(bytes: Uint8Array, blockBytes: number | undefined): Uint8Array {
  return blockBytes === undefined ? bytes : displaced(bytes);
}

type Pieces = readonly (readonly [text: Uint8Array, score: number, type: number])[];

/** The fields of the file, without the tables that a tokenizer makes of them. */
export const protobufTarget: FuzzTarget = {
  name: 'protobuf',
  cases,
  async open(bytes, blockBytes) {
    const { pieces, ...settings } = readModelProto(placed(bytes, blockBytes), 'tokenizer.model');
    const { starts, ends, scores, types } = pieces;
    const read = Array.from({ length: pieces.count }, (_, id) => {
      return [pieces.bytes.slice(starts[id], ends[id]), scores[id], types[id]];
    });
    return { settings, pieces: read };
  },
  async expectSame(bytes, opened) {
    const { pieces } = opened as { pieces: Pieces };
    assert.equal(pieces, otherPieces(bytes), 'I7: the pieces of the wire format');
  },
};

const TEXTS = ['aab ▁ab 世界', '<reserved_1>7\n', '<s> </s> <unk>\0'];

/** Loading, every piece, and some texts to ids and back. */
export const tokenizerTarget: FuzzTarget = {
  name: 'tokenizer',
  cases,
  async open(bytes, blockBytes) {
    const tokenizer = loadTokenizer(placed(bytes, blockBytes), { file: 'tokenizer.model' });
    const { vocabSize, unkId, bosId, eosId, padId, specialIds } = tokenizer;
    const pieces = Array.from({ length: vocabSize }, (_, id) => {
      return [tokenizer.idToPiece(id), tokenizer.pieceScore(id), tokenizer.pieceType(id)];
    });
    const encoded = TEXTS.map((text) => {
      const ids = tokenizer.encode(text);
      assert.ok(
        ids.every((id) => id >= 0 && id < vocabSize),
        'ids are those of pieces',
      );
      return [ids, tokenizer.decode(ids), tokenizer.encode(text, { allowSpecial: false })];
    });
    return { pieces, unkId, bosId, eosId, padId, specialIds, encoded };
  },
  async expectSame(bytes, opened) {
    const { pieces } = opened as { pieces: unknown };
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const expected = otherPieces(bytes).map(([text, score, type]) => {
      return [decoder.decode(text), score, TYPES[type]];
    });
    assert.equal(pieces, expected, 'I7: the pieces of the wire format');
  },
};

/** A field of a message: its number, and its value as a number or as bytes. */
type OtherField = readonly [number: number, value: bigint | Uint8Array];

/** The fields of a message, whose lengths are trusted. */
function otherFields(bytes: Uint8Array): OtherField[] {
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes[at++]);
      value |= (byte & 127n) << shift;
      if (byte < 128n) return BigInt.asUintN(64, value);
    }
  };
  const fields: OtherField[] = [];
  while (at < bytes.length) {
    const tag = Number(varint());
    const wireType = tag & 7;
    if (wireType === 0) fields.push([tag >>> 3, varint()]);
    else {
      const length = wireType === 2 ? Number(varint()) : wireType === 5 ? 4 : 8;
      fields.push([tag >>> 3, bytes.slice(at, at + length)]);
      at += length;
    }
  }
  return fields;
}

function otherPieces(bytes: Uint8Array): Pieces {
  const messages = otherFields(bytes).filter(([field]) => field === 1);
  return messages.map(([, message]) => {
    let text = new Uint8Array(0);
    let [score, type] = [0, 1];
    for (const [field, value] of otherFields(message as Uint8Array)) {
      if (field === 1) text = Uint8Array.from(value as Uint8Array);
      if (field === 2) score = new Float32Array((value as Uint8Array).slice().buffer)[0];
      // As in C++, the low 32 bits of the varint.
      if (field === 3) type = Number(BigInt.asIntN(32, value as bigint));
    }
    return [text, score, type] as const;
  });
}
