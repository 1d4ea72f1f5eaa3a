/** Writes SentencePiece model files field by field, whole or broken, for the specs. */

export type Bytes = readonly number[];

export interface BuiltPiece {
  piece: string | Bytes;
  score?: number;
  type?: number;
}

/** 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. */
export const TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };

export function utf8(text: string): Bytes {
  return [...new TextEncoder().encode(text)];
}

export function varint(value: number): Bytes {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

export function varintField(number: number, value: number): Bytes {
  return [...varint(number * 8), ...varint(value)];
}

export function bytesField(number: number, payload: Bytes): Bytes {
  return [...varint(number * 8 + 2), ...varint(payload.length), ...payload];
}

export function floatField(number: number, value: number): Bytes {
  return [...varint(number * 8 + 5), ...new Uint8Array(Float32Array.of(value).buffer)];
}

export function pieceField({ piece, score = 0, type = TYPE.normal }: BuiltPiece): Bytes {
  const spelling = typeof piece === 'string' ? utf8(piece) : piece;
  const fields = [bytesField(1, spelling), floatField(2, score), varintField(3, type)];
  return bytesField(1, fields.flat());
}

export const SPECIAL: readonly BuiltPiece[] = [
  { piece: '<unk>', type: TYPE.unknown },
  { piece: '<s>', type: TYPE.control },
  { piece: '</s>', type: TYPE.control },
];

export const BYTE_PIECES: readonly BuiltPiece[] = Array.from({ length: 256 }, (_, byte) => ({
  piece: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  type: TYPE.byte,
}));

export interface BuiltModel {
  pieces?: readonly BuiltPiece[];
  /** Fields of trainer_spec; model_type = BPE unless told. */
  trainer?: Bytes;
  /** Fields of normalizer_spec; no dummy prefix and no removal of spaces unless told. */
  normalizer?: Bytes;
  /** Fields behind these. */
  rest?: Bytes;
}

/** A model of many pieces that need no score, built without an array of numbers for each. */
export function buildLargeModel(count: number, pieceOf: (id: number) => BuiltPiece): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let id = 0; id < count; id++) parts.push(Uint8Array.from(pieceField(pieceOf(id))));
  const base = buildModel();
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, base.length));
  bytes.set(base);
  let at = base.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** What reading a file may cost: 1 s and 0.2 s a megabyte; 64 MiB and six times its bytes. */
export function readingBounds(bytes: Uint8Array): { withinMs: number; withinBytes: number } {
  const withinMs = 1000 + (200 * bytes.length) / 2 ** 20;
  return { withinMs, withinBytes: 64 * 2 ** 20 + 6 * bytes.length };
}

export const BPE = varintField(3, 2);
export const BYTE_FALLBACK = varintField(35, 1);
export const NO_PREFIX = [...varintField(3, 0), ...varintField(4, 0)];

export function buildModel(model: BuiltModel = {}): Uint8Array {
  const { pieces = [], trainer = BPE, normalizer = NO_PREFIX, rest = [] } = model;
  return Uint8Array.from([
    ...[...SPECIAL, ...pieces].flatMap((piece) => pieceField(piece)),
    ...bytesField(2, trainer),
    ...bytesField(3, normalizer),
    ...rest,
  ]);
}
