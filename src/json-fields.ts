/** Typed fields of a parsed JSON object: a value of another type or out of range is an error that
 *  names the field's JSON pointer, what is allowed and what was found, numbers exactly as
 *  written. */
import { BaichuanError, type ErrorCode, quote } from './errors.ts';
import { isJsonNumber, type JsonObject, type JsonValue, jsonPointer } from './json.ts';

/** An object, and how to speak of it. */
export interface JsonFields {
  readonly object: JsonObject;
  readonly file: string | undefined;
  /** Keys and indices from the root to the object. */
  readonly path: readonly (string | number)[];
  /** Code of the errors about its fields. */
  readonly code: ErrorCode;
}

/** A range that includes its ends. */
export interface Range {
  readonly min: number;
  readonly max: number;
  /** Code of the error for an integer above `max`, when it is another. */
  readonly limitCode?: ErrorCode;
}

/** What can be said about a wrong field. */
export interface FieldFault {
  what: string;
  fix: string;
  expected?: string | number;
  found?: string | number;
}

/** Takes a value for an object.
 *  @param place file, path and code of its errors @throws `place.code` */
export function fieldsOf(value: JsonValue, place: Omit<JsonFields, 'object'>): JsonFields {
  if (value instanceof Map) return { ...place, object: value };
  const found = showJson(value);
  throw new BaichuanError(place.code, {
    file: place.file,
    where: place.path.length > 0 ? jsonPointer(place.path) : 'the whole file',
    what: `an object is needed here, but ${found} was found.`,
    fix: 'Check that this is the file you mean, or download it again.',
    expected: 'an object',
    found,
  });
}

/** The error about one field, with its JSON pointer. */
export function fieldError(
  fields: JsonFields,
  key: string | number,
  fault: FieldFault,
  code: ErrorCode = fields.code,
): BaichuanError {
  const where = jsonPointer([...fields.path, key]);
  return new BaichuanError(code, { file: fields.file, where, ...fault });
}

/** The value of a field. A field that is `null` is there.
 *  @throws the fields' code when it is missing */
export function takeValue(fields: JsonFields, key: string): JsonValue {
  const value = fields.object.get(key);
  if (value !== undefined) return value;
  throw fieldError(fields, key, {
    what: 'this field is missing.',
    fix: 'Add it, or take the file that was published with the model.',
    found: 'nothing',
  });
}

/** Takes a field, or gives undefined when it is missing or `null`, as Hugging Face writes absence.
 *  @param take one of the functions below */
export function takeOptional<T>(
  fields: JsonFields,
  key: string,
  take: (fields: JsonFields, key: string) => T,
): T | undefined {
  const value = fields.object.get(key);
  return value === undefined || value === null ? undefined : take(fields, key);
}

/** An integer, written as one (`8.0` is none), in a range.
 *  @throws the fields' code, or `range.limitCode` above the range */
export function takeInteger(fields: JsonFields, key: string, range: Range): number {
  const value = takeValue(fields, key);
  const allowed = `an integer from ${range.min} to ${range.max}`;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < range.min) {
    throw unexpected(fields, key, allowed, fields.code);
  }
  if (value > range.max) throw unexpected(fields, key, allowed, range.limitCode ?? fields.code);
  return value;
}

/** A finite number in a range.
 *  @throws the fields' code */
export function takeNumber(fields: JsonFields, key: string, range: Range): number {
  const taken = takeValue(fields, key);
  const value = isJsonNumber(taken) ? taken.value : taken;
  if (typeof value === 'number' && value >= range.min && value <= range.max) return value;
  throw unexpected(fields, key, `a number from ${range.min} to ${range.max}`, fields.code);
}

/** A field that must be true or false. @throws the fields' code */
export function takeBoolean(fields: JsonFields, key: string): boolean {
  const value = takeValue(fields, key);
  if (typeof value === 'boolean') return value;
  throw unexpected(fields, key, 'true or false', fields.code);
}

/** A field that must be a string. @throws the fields' code */
export function takeString(fields: JsonFields, key: string): string {
  const value = takeValue(fields, key);
  if (typeof value === 'string') return value;
  throw unexpected(fields, key, 'a string', fields.code);
}

/** A field that must be an array. @throws the fields' code */
export function takeArray(fields: JsonFields, key: string): JsonValue[] {
  const value = takeValue(fields, key);
  if (Array.isArray(value)) return value;
  throw unexpected(fields, key, 'an array', fields.code);
}

/** A field that must be an object. @throws the fields' code */
export function takeObject(fields: JsonFields, key: string): JsonFields {
  const value = takeValue(fields, key);
  if (value instanceof Map) return { ...fields, object: value, path: [...fields.path, key] };
  throw unexpected(fields, key, 'an object', fields.code);
}

/** The error of a field whose value is not what is allowed. */
export function unexpected(
  fields: JsonFields,
  key: string,
  allowed: string,
  code: ErrorCode = fields.code,
): BaichuanError {
  const found = showJson(takeValue(fields, key));
  const what = `${allowed} is needed here, but ${found} was found.`;
  const fix = 'Correct the field, or take the file that was published with the model.';
  return fieldError(fields, key, { what, fix, expected: allowed, found }, code);
}

/** A value in a few words, safe to print; numbers exactly as they were written. */
export function showJson(value: JsonValue): string {
  if (typeof value === 'string') return quote(value);
  if (isJsonNumber(value)) return value.text.length > 60 ? shorten(value.text) : value.text;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value instanceof Map) return `an object of ${value.size}`;
  return String(value);
}

function shorten(text: string): string {
  return `${text.slice(0, 60)}… (${text.length} characters)`;
}
