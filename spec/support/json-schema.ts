/** The part of JSON Schema (draft 2020-12) that `fixtures/conformance/schema.json` uses; a keyword
 *  that is not known here is an error, so that none is passed over. */

type Json = ReturnType<typeof JSON.parse>;
type Schema = Record<string, Json>;
type Check = (limit: Json, value: Json, root: Schema, schema: Schema, path: string) => string[];

const isObject = (value: Json) =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const TYPES: Record<string, (value: Json) => boolean> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: Number.isInteger,
  null: (value) => value === null,
};

const unless = (isRight: boolean, problem: string) => (isRight ? [] : [problem]);

const CHECKS: Record<string, Check> = {
  $schema: () => [],
  $defs: () => [],
  title: () => [],
  $ref: (ref, value, root, _schema, path) =>
    problemsOf(value, root.$defs[ref.replace('#/$defs/', '')], root, path),
  anyOf: (choices, value, root, _schema, path) => {
    const tries = choices.map((choice: Schema) => problemsOf(value, choice, root, path));
    const isRight = tries.some((problems: string[]) => problems.length === 0);
    return isRight ? [] : [`${path}: fits none of ${choices.length}`, ...tries.flat()];
  },
  type: (names, value, _root, _schema, path) =>
    unless(
      [names].flat().some((name: string) => TYPES[name](value)),
      `${path}: is no ${names}`,
    ),
  const: (wanted, value, _root, _schema, path) =>
    unless(value === wanted, `${path}: is not ${wanted}`),
  enum: (wanted, value, _root, _schema, path) =>
    unless(wanted.includes(value), `${path}: is none of ${wanted}`),
  minimum: (least, value, _root, _schema, path) =>
    unless(typeof value !== 'number' || value >= least, `${path}: is below ${least}`),
  minLength: (least, value, _root, _schema, path) =>
    unless(typeof value !== 'string' || value.length >= least, `${path}: is too short`),
  pattern: (text, value, _root, _schema, path) =>
    unless(typeof value !== 'string' || new RegExp(text).test(value), `${path}: is not ${text}`),
  minItems: (least, value, _root, _schema, path) =>
    unless(!Array.isArray(value) || value.length >= least, `${path}: has too few`),
  minProperties: (least, value, _root, _schema, path) =>
    unless(!isObject(value) || Object.keys(value).length >= least, `${path}: has too few`),
  items: (schema, value, root, _schema, path) =>
    Array.isArray(value)
      ? value.flatMap((item, index) => problemsOf(item, schema, root, `${path}/${index}`))
      : [],
  required: (names, value, _root, _schema, path) =>
    isObject(value)
      ? names.flatMap((name: string) => unless(name in value, `${path}/${name}: is missing`))
      : [],
  properties: (schemas, value, root, _schema, path) =>
    Object.entries(schemas).flatMap(([name, schema]) =>
      isObject(value) && name in value
        ? problemsOf(value[name], schema, root, `${path}/${name}`)
        : [],
    ),
  additionalProperties: (rule, value, root, schema, path) => {
    if (!isObject(value)) return [];
    const others = Object.keys(value).filter((name) => !(name in (schema.properties ?? {})));
    if (rule === false) return others.map((name) => `${path}/${name}: is not known`);
    return others.flatMap((name) => problemsOf(value[name], rule, root, `${path}/${name}`));
  },
};

/** What is wrong with a value, each with its place; empty when it fits the schema. */
export function problemsOf(value: Json, schema: Json, root: Schema = schema, path = ''): string[] {
  return Object.entries(schema as Schema).flatMap(([keyword, limit]) => {
    const check = CHECKS[keyword];
    if (check === undefined) return [`the schema says ${keyword}, which is not known here`];
    return check(limit, value, root, schema, path);
  });
}
