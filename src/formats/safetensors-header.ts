/** The JSON header of a safetensors file → checked entries. Whether the ranges of the tensors fit
 *  together and fill the file is `safetensors-layout.ts`.
 *  Source: https://github.com/huggingface/safetensors, README "Format". */
import { BaichuanError, quote } from '../errors.ts';
import { isJsonNumber, type JsonValue, jsonPointer } from '../json.ts';
import {
  fieldError,
  fieldsOf,
  type JsonFields,
  showJson,
  takeArray,
  takeString,
  takeValue,
  unexpected,
} from '../json-fields.ts';
import { type ElementType, STORED_TYPE_BYTES } from './checkpoint.ts';
import { MAX_NAME_BYTES, tensorNameFault } from './tensor-name.ts';

/** One tensor of the header. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  /** Its range, in bytes from the end of the header; `end` is the first byte after it. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly entries: readonly TensorEntry[];
  readonly metadata: ReadonlyMap<string, string>;
}

const METADATA_KEY = '__metadata__';
const MAX_RANK = 8;
const MAX_DIM = 2 ** 32;

/** Checks the header of a safetensors file.
 *  @param json its fields are let go of as they are read (overwritten)
 *  @param firstByte of the header, which must be `{`
 *  @throws safetensors-root, -name, -field, -dtype, -rank, -dim, -overflow, -offset, -size,
 *  -metadata */
export function parseSafetensorsHeader(
  json: JsonValue,
  firstByte: number,
  file: string,
): SafetensorsHeader {
  if (!(json instanceof Map) || firstByte !== 0x7b) throw rootError(json, file);
  const root = fieldsOf(json, { file, path: [], code: 'safetensors-field' });
  const metadata = takeMetadata(root);
  const entries: TensorEntry[] = [];
  for (const [name, value] of json) {
    if (name === METADATA_KEY) continue;
    expectTensorName(name, file);
    entries.push(takeEntry(name, fieldsOf(value, { ...root, path: [name] })));
    // The fields of 100,000 tensors are some 40 MB: they need not stay beside the entries.
    json.set(name, null);
  }
  return { entries, metadata };
}

/** Refuses a name that is empty, too long, not printable, or that a careless program could take for
 *  a path out of its folder.
 *  @throws safetensors-name */
export function expectTensorName(name: string, file: string | undefined): void {
  const fault = tensorNameFault(name);
  if (fault === undefined) return;
  throw new BaichuanError('safetensors-name', {
    file,
    where: jsonPointer([name]),
    what: `the tensor name ${quote(name)} ${fault}.`,
    fix: 'Write the file anew with the names of the published checkpoints.',
    expected: `1 to ${MAX_NAME_BYTES} printable bytes`,
    found: quote(name),
  });
}

function rootError(json: JsonValue, file: string): BaichuanError {
  const found = json instanceof Map ? 'white space' : showJson(json);
  return new BaichuanError('safetensors-root', {
    file,
    where: 'byte 8',
    what: `the header must be an object and begin with {, but ${found} was found.`,
    fix: 'Download the file again, or write it anew.',
    expected: 'an object',
    found,
  });
}

function takeMetadata(root: JsonFields): ReadonlyMap<string, string> {
  const value = root.object.get(METADATA_KEY);
  if (value === undefined) return new Map();
  const place = { file: root.file, path: [METADATA_KEY], code: 'safetensors-metadata' } as const;
  const fields = fieldsOf(value, place);
  const { object } = fields;
  for (const key of object.keys()) takeString(fields, key);
  return object as Map<string, string>;
}

const ENTRY_FIELDS = ['dtype', 'shape', 'data_offsets'];

function takeEntry(name: string, fields: JsonFields): TensorEntry {
  for (const key of fields.object.keys()) {
    if (ENTRY_FIELDS.includes(key)) continue;
    throw fieldError(fields, key, {
      what: 'a tensor has no such field.',
      fix: 'Write the file anew; only dtype, shape and data_offsets describe a tensor.',
      expected: ENTRY_FIELDS.join(', '),
      found: quote(key),
    });
  }
  const dtype = takeDtype(fields);
  const shape = takeShape(fields);
  const [begin, end] = takeOffsets(fields);
  expectSize(fields, dtype, shape, end - begin);
  return { name, dtype, shape, begin, end };
}

function takeDtype(fields: JsonFields): ElementType {
  const name = takeString(fields, 'dtype');
  if (isStoredType(name)) return name;
  const supported = Object.keys(STORED_TYPE_BYTES).join(', ');
  throw fieldError(
    fields,
    'dtype',
    {
      what: `the type ${quote(name)} is not read; supported are ${supported}.`,
      fix: 'Convert the checkpoint to BF16, F16 or F32.',
      expected: supported,
      found: quote(name),
    },
    'safetensors-dtype',
  );
}

function isStoredType(name: string): name is ElementType {
  return Object.hasOwn(STORED_TYPE_BYTES, name);
}

function takeShape(fields: JsonFields): number[] {
  const dims = takeArray(fields, 'shape');
  if (dims.length > MAX_RANK) {
    const what = `the shape has ${dims.length} axes, where at most ${MAX_RANK} are read.`;
    const fix = 'Write the file anew with fewer axes.';
    const fault = { what, fix, expected: MAX_RANK, found: dims.length };
    throw fieldError(fields, 'shape', fault, 'safetensors-rank');
  }
  expectNoOverflow(fields, dims);
  dims.forEach((dim, axis) => {
    if (typeof dim === 'number' && Number.isInteger(dim) && dim >= 0 && dim <= MAX_DIM) return;
    const inShape = { ...fields, path: [...fields.path, 'shape'] };
    const found = showJson(dim);
    const what = `a dimension must be an integer from 0 to ${MAX_DIM}, but ${found} was found.`;
    const fix = 'Download the file again, or write it anew.';
    throw fieldError(inShape, axis, { what, fix, expected: MAX_DIM, found }, 'safetensors-dim');
  });
  return dims as number[];
}

/** Refuses dimensions whose product a double does not hold. One dimension alone is none of it. */
function expectNoOverflow(fields: JsonFields, dims: readonly JsonValue[]): void {
  const factors = dims.map(bigIntegerOf);
  if (dims.length < 2 || factors.includes(undefined)) return;
  const product = factors.reduce<bigint>((total, factor) => total * (factor ?? 1n), 1n);
  if (product <= BigInt(Number.MAX_SAFE_INTEGER)) return;
  const found = String(product);
  const what = `the shape [${dims.map(showJson).join(', ')}] has ${found} elements.`;
  const fix = 'Download the file again: no tensor is as large.';
  const fault = { what, fix, expected: Number.MAX_SAFE_INTEGER, found };
  throw fieldError(fields, 'shape', fault, 'safetensors-overflow');
}

/** The exact value of an integer of at most 20 digits, the longest of 64 bits. */
function bigIntegerOf(value: JsonValue): bigint | undefined {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : undefined;
  if (!isJsonNumber(value)) return undefined;
  return /^[0-9]{1,20}$/.test(value.text) ? BigInt(value.text) : undefined;
}

function takeOffsets(fields: JsonFields): [number, number] {
  const value = takeValue(fields, 'data_offsets');
  const allowed = 'an array of two offsets';
  if (!Array.isArray(value) || value.length !== 2) {
    throw unexpected(fields, 'data_offsets', allowed, 'safetensors-offset');
  }
  const inOffsets = { ...fields, path: [...fields.path, 'data_offsets'] };
  const [begin, end] = value.map((offset, index) => {
    if (typeof offset === 'number' && Number.isInteger(offset) && offset >= 0) return offset;
    const found = showJson(offset);
    const what = `an offset must be an integer from 0 on, but ${found} was found.`;
    const fix = 'Download the file again, or write it anew.';
    const fault = { what, fix, expected: 'an integer from 0 on', found };
    throw fieldError(inOffsets, index, fault, 'safetensors-offset');
  });
  if (end >= begin) return [begin, end];
  const what = `the tensor ends at ${end}, before it begins at ${begin}.`;
  const fix = 'Download the file again, or write it anew.';
  const fault = { what, fix, expected: begin, found: end };
  throw fieldError(inOffsets, 1, fault, 'safetensors-offset');
}

function expectSize(
  fields: JsonFields,
  dtype: ElementType,
  shape: readonly number[],
  byteLength: number,
): void {
  // A product with a zero is 0; without one each factor is at most the product, under 2^53.
  const elements = shape.includes(0) ? 0 : shape.reduce((total, dim) => total * dim, 1);
  const expected = elements * STORED_TYPE_BYTES[dtype];
  if (expected === byteLength) return;
  const needs = `${dtype} of shape [${shape.join(', ')}] has ${expected} bytes`;
  const what = `${needs}, but data_offsets give it ${byteLength}.`;
  const fix = 'Download the file again, or write it anew.';
  const fault = { what, fix, expected, found: byteLength };
  throw fieldError(fields, 'data_offsets', fault, 'safetensors-size');
}
