/** A SentencePiece model file, read field by field into the settings that encode and decode.
 *
 *  The file is one protobuf `ModelProto`: the pieces, how they were trained, and how text is
 *  normalized. Values that the file leaves out have the defaults of the schema. Fields that only
 *  steer training are passed over by number; any other field is refused, since it may change what
 *  the ids mean.
 *  Source: google/sentencepiece, src/sentencepiece_model.proto at v0.1.97. */
import { BaichuanError } from '../errors.ts';
import { MAX_PIECES, MAX_SELF_TEST_BYTES, MAX_SELF_TESTS, MAX_TEXT_BYTES } from './limits.ts';
import {
  boolValue,
  bytesValue,
  floatValue,
  int32Value,
  readFields,
  type WireField,
  type WireMessage,
} from './protobuf.ts';
import { decodeUtf8 } from './utf8.ts';

/** The entries of the vocabulary, as the file has them, in flat arrays by id. */
export interface RawPieces {
  count: number;
  /** The file. */
  bytes: Uint8Array;
  /** First byte of each spelling, which need not be valid UTF-8, and one past the last. */
  starts: Int32Array;
  ends: Int32Array;
  /** Log probability or, in BPE, the merge priority: higher merges first. */
  scores: Float32Array;
  /** 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. */
  types: Int32Array;
}

/** The settings of a model file under the names of its schema, in camelCase. */
export interface ModelProto {
  pieces: RawPieces;
  modelType: number;
  byteFallback: boolean;
  treatWhitespaceAsSuffix: boolean;
  unkSurface: string;
  unkPiece: string;
  bosId: number;
  bosPiece: string;
  eosId: number;
  eosPiece: string;
  padId: number;
  padPiece: string;
  addDummyPrefix: boolean;
  removeExtraWhitespaces: boolean;
  escapeWhitespaces: boolean;
  /** Sizes of the compiled character maps; 0 is the identity. */
  precompiledCharsmapBytes: number;
  denormalizerCharsmapBytes: number;
  /** Texts and their pieces, joined by spaces, that a reader must reproduce. */
  selfTests: { input: string; expected: string }[];
}

/** trainer_spec fields that say how the vocabulary was made, not what it means. */
const TRAINING_ONLY = new Set([
  ...[1, 2, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25, 26],
  ...[30, 31, 32, 33, 34, 36, 40, 49, 50, 51, 52, 53, 54],
]);

/** Reads a whole model file.
 *  @throws protobuf-wire, tokenizer-count, tokenizer-field, tokenizer-limit, tokenizer-special */
export function readModelProto(bytes: Uint8Array, file: string | undefined): ModelProto {
  const model = defaultModel(bytes);
  const selfTests = { count: 0, byteCount: 0 };
  readFields({ bytes, start: 0, end: bytes.length, file }, (field) => {
    switch (field.number) {
      case 1:
        return addPiece(model, field);
      case 2:
        return readFields(bytesValue(field), (inner) => readTrainerField(model, inner));
      case 3:
        return readFields(bytesValue(field), (inner) => readNormalizerField(model, inner));
      case 4:
        return readFields(bytesValue(field), (inner) => {
          countSelfTest(selfTests, inner);
          readSelfTestField(model, inner);
        });
      case 5:
        return readFields(bytesValue(field), (inner) => readDenormalizerField(model, inner));
      default:
        throw unknownField('the model', field);
    }
  });
  return model;
}

function defaultModel(bytes: Uint8Array): ModelProto {
  return {
    pieces: noPieces(bytes),
    modelType: 1,
    byteFallback: false,
    treatWhitespaceAsSuffix: false,
    unkSurface: ' \u2047 ',
    unkPiece: '<unk>',
    bosId: 1,
    bosPiece: '<s>',
    eosId: 2,
    eosPiece: '</s>',
    padId: -1,
    padPiece: '<pad>',
    addDummyPrefix: true,
    removeExtraWhitespaces: true,
    escapeWhitespaces: true,
    precompiledCharsmapBytes: 0,
    denormalizerCharsmapBytes: 0,
    selfTests: [],
  };
}

/** Room for as many pieces as the file can have: each takes two bytes at least. */
function noPieces(bytes: Uint8Array): RawPieces {
  const capacity = Math.min(MAX_PIECES, Math.floor(bytes.length / 2));
  return {
    count: 0,
    bytes,
    starts: new Int32Array(capacity),
    ends: new Int32Array(capacity),
    scores: new Float32Array(capacity),
    types: new Int32Array(capacity),
  };
}

function addPiece({ pieces }: ModelProto, field: WireField): void {
  const message = bytesValue(field);
  if (pieces.count === MAX_PIECES) {
    throw new BaichuanError('tokenizer-count', {
      file: message.file,
      where: `byte ${field.byteOffset}`,
      what: `the vocabulary has more than ${MAX_PIECES} pieces.`,
      fix: 'Use the tokenizer.model that came with the checkpoint.',
      expected: MAX_PIECES,
    });
  }
  pieces.types[pieces.count] = 1;
  readFields(message, (inner) => readPieceField(pieces, inner));
  pieces.count++;
}

function readPieceField(pieces: RawPieces, field: WireField): void {
  const id = pieces.count;
  switch (field.number) {
    case 1: {
      const { start, end } = bytesValue(field);
      pieces.starts[id] = start;
      pieces.ends[id] = end;
      return;
    }
    case 2:
      pieces.scores[id] = floatValue(field);
      return;
    case 3:
      pieces.types[id] = int32Value(field);
      return;
    default:
      throw unknownField('a piece', field);
  }
}

function readTrainerField(model: ModelProto, field: WireField): void {
  switch (field.number) {
    case 3:
      model.modelType = int32Value(field);
      return;
    case 24:
      model.treatWhitespaceAsSuffix = boolValue(field);
      return;
    case 35:
      model.byteFallback = boolValue(field);
      return;
    case 41:
      model.bosId = int32Value(field);
      return;
    case 42:
      model.eosId = int32Value(field);
      return;
    case 43:
      model.padId = int32Value(field);
      return;
    case 44:
      model.unkSurface = textValue(field);
      return;
    // An empty name means the default one.
    case 45:
      model.unkPiece = textValue(field) || '<unk>';
      return;
    case 46:
      model.bosPiece = textValue(field) || '<s>';
      return;
    case 47:
      model.eosPiece = textValue(field) || '</s>';
      return;
    case 48:
      model.padPiece = textValue(field) || '<pad>';
      return;
    default:
      if (!TRAINING_ONLY.has(field.number)) throw unknownField('trainer_spec', field);
  }
}

function readNormalizerField(model: ModelProto, field: WireField): void {
  switch (field.number) {
    case 1: // The name of the rules; the rules themselves are field 2.
    case 6: // The rules as text, before they were compiled into field 2.
      return;
    case 2:
      model.precompiledCharsmapBytes = lengthOf(bytesValue(field));
      return;
    case 3:
      model.addDummyPrefix = boolValue(field);
      return;
    case 4:
      model.removeExtraWhitespaces = boolValue(field);
      return;
    case 5:
      model.escapeWhitespaces = boolValue(field);
      return;
    default:
      throw unknownField('normalizer_spec', field);
  }
}

/** SentencePiece denormalizes only when there is a character map: nothing else counts here. */
function readDenormalizerField(model: ModelProto, field: WireField): void {
  if (field.number === 2) model.denormalizerCharsmapBytes = lengthOf(bytesValue(field));
  else if (field.number > 6) throw unknownField('denormalizer_spec', field);
}

/** Before anything of a self test is decoded: each will be encoded when the model is loaded. */
function countSelfTest(total: { count: number; byteCount: number }, field: WireField): void {
  total.count++;
  total.byteCount += lengthOf(field);
  if (total.count > MAX_SELF_TESTS) throw limitError(field, 'self tests', MAX_SELF_TESTS);
  if (total.byteCount <= MAX_SELF_TEST_BYTES) return;
  throw limitError(field, 'bytes of self tests', MAX_SELF_TEST_BYTES);
}

function readSelfTestField(model: ModelProto, field: WireField): void {
  if (field.number !== 1) throw unknownField('self_test_data', field);
  const sample = { input: '', expected: '' };
  readFields(bytesValue(field), (inner) => {
    if (inner.number === 1) sample.input = textValue(inner, MAX_SELF_TEST_BYTES);
    else if (inner.number === 2) sample.expected = textValue(inner, MAX_SELF_TEST_BYTES);
    else throw unknownField('a self test', inner);
  });
  model.selfTests.push(sample);
}

function lengthOf(message: WireMessage): number {
  return message.end - message.start;
}

function textValue(field: WireField, maxBytes = MAX_TEXT_BYTES): string {
  const { bytes, start, end, file } = bytesValue(field);
  if (end - start > maxBytes) throw limitError(field, `bytes in field ${field.number}`, maxBytes);
  const text = decodeUtf8(bytes, start, end);
  if (text !== undefined) return text;
  throw new BaichuanError('tokenizer-special', {
    file,
    where: `byte ${field.byteOffset}`,
    what: `the text of field ${field.number} is not valid UTF-8.`,
    fix: 'The file is damaged; download it again.',
  });
}

function limitError(field: WireField, what: string, limit: number): BaichuanError {
  return new BaichuanError('tokenizer-limit', {
    file: field.file,
    where: `byte ${field.byteOffset}`,
    what: `the model has more than ${limit} ${what}.`,
    fix: 'Use the tokenizer.model that came with the checkpoint.',
    expected: limit,
  });
}

function unknownField(message: string, field: WireField): BaichuanError {
  return new BaichuanError('tokenizer-field', {
    file: field.file,
    where: `byte ${field.byteOffset}`,
    what: `${message} has a field ${field.number}, which this reader does not know.`,
    fix: 'Use a tokenizer.model written by SentencePiece 0.1.97 to 0.2.',
    found: field.number,
  });
}
