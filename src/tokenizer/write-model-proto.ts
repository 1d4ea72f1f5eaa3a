/** Writes the pieces and settings of a vocabulary as a SentencePiece model file, so that a model
 *  from a GGUF file gets a `tokenizer.model`; and takes them out of such a file.
 *  Source: google/sentencepiece, src/sentencepiece_model.proto at v0.1.97. */

import type { TokenizerPieces } from './from-pieces.ts';
import { type ModelProto, type RawPieces, readModelProto } from './model-proto.ts';

const BPE = 2;
const BYTE = 6;
const UNKNOWN = 2;
const CONTROL = 3;

/** A vocabulary, and the id of its unknown piece. */
export interface ModelPieces extends TokenizerPieces {
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly padId: number | undefined;
  readonly unkId: number | undefined;
}

/** The pieces and settings of a model file that other files hold too.
 *  @throws protobuf-wire, tokenizer-count, tokenizer-field, tokenizer-limit, tokenizer-special */
export function readModelPieces(bytes: Uint8Array, file?: string): ModelPieces {
  const model = readModelProto(bytes, file);
  const { pieces } = model;
  const { count } = pieces;
  const types = pieces.types.slice(0, count);
  const unkId = types.indexOf(UNKNOWN);
  return {
    pieces: { ...pieces, types, scores: pieces.scores.slice(0, count) },
    bosId: model.bosId >= 0 ? idOf(pieces, model.bosPiece) : undefined,
    eosId: model.eosId >= 0 ? idOf(pieces, model.eosPiece) : undefined,
    padId: model.padId >= 0 ? idOf(pieces, model.padPiece) : undefined,
    unkId: unkId < 0 ? undefined : unkId,
    addDummyPrefix: model.addDummyPrefix,
    removeExtraWhitespaces: model.removeExtraWhitespaces,
  };
}

/** The id of a piece by its spelling: the number that a file gives it may be another. */
function idOf({ count, bytes, starts, ends }: ModelProto['pieces'], piece: string) {
  const wanted = new TextEncoder().encode(piece);
  for (let id = 0; id < count; id++) {
    if (ends[id] - starts[id] !== wanted.length) continue;
    if (wanted.every((byte, index) => bytes[starts[id] + index] === byte)) return id;
  }
  return undefined;
}

/** The bytes of a `tokenizer.model` with these pieces and settings. */
export function writeModelProto(vocabulary: ModelPieces): Uint8Array {
  const { pieces, bosId, eosId, unkId } = vocabulary;
  // Other ids that pad are the model's affair.
  const isPad = vocabulary.padId !== undefined && pieces.types[vocabulary.padId] === CONTROL;
  const padId = isPad ? vocabulary.padId : undefined;
  const out = new ProtoBytes();
  for (let id = 0; id < pieces.count; id++) {
    const piece = new ProtoBytes();
    piece.bytes(1, spellingOf(pieces, id));
    piece.float(2, pieces.scores[id]);
    piece.varint(3, pieces.types[id]);
    out.bytes(1, piece.finish());
  }
  const trainer = new ProtoBytes();
  trainer.varint(3, BPE);
  trainer.varint(35, pieces.types.subarray(0, pieces.count).includes(BYTE) ? 1 : 0);
  const special = [
    [40, 45, unkId],
    [41, 46, bosId],
    [42, 47, eosId],
    [43, 48, padId],
  ] as const;
  for (const [idField, pieceField, id] of special) {
    trainer.varint(idField, id ?? -1);
    if (id !== undefined) trainer.bytes(pieceField, spellingOf(pieces, id));
  }
  out.bytes(2, trainer.finish());
  const normalizer = new ProtoBytes();
  normalizer.bytes(1, new TextEncoder().encode('identity'));
  normalizer.varint(3, vocabulary.addDummyPrefix ? 1 : 0);
  normalizer.varint(4, vocabulary.removeExtraWhitespaces ? 1 : 0);
  normalizer.varint(5, 1);
  out.bytes(3, normalizer.finish());
  return out.finish();
}

function spellingOf({ bytes, starts, ends }: RawPieces, id: number): Uint8Array {
  return bytes.subarray(starts[id], ends[id]);
}

/** A protobuf message that grows. */
class ProtoBytes {
  private buffer = new Uint8Array(64);
  private length = 0;

  varint(field: number, value: number): void {
    this.number(BigInt(8 * field));
    this.number(BigInt.asUintN(64, BigInt(value)));
  }

  float(field: number, value: number): void {
    this.number(BigInt(8 * field + 5));
    this.append(new Uint8Array(Float32Array.of(value).buffer));
  }

  bytes(field: number, payload: Uint8Array): void {
    this.number(BigInt(8 * field + 2));
    this.number(BigInt(payload.length));
    this.append(payload);
  }

  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  private number(value: bigint): void {
    const bytes: number[] = [];
    let rest = value;
    for (; rest >= 128n; rest /= 128n) bytes.push(Number(rest % 128n) + 128);
    this.append(Uint8Array.of(...bytes, Number(rest)));
  }

  private append(bytes: Uint8Array): void {
    const end = this.length + bytes.length;
    if (end > this.buffer.length) {
      const larger = new Uint8Array(2 * end);
      larger.set(this.buffer);
      this.buffer = larger;
    }
    this.buffer.set(bytes, this.length);
    this.length = end;
  }
}
