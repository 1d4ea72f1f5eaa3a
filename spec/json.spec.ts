import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../src/errors.ts';
import { isJsonNumber, type JsonValue, jsonPointer, parseJson } from '../src/json.ts';
import { utf8 } from './support/model-files.ts';
import { type ExpectedRefusal, expectRefusal } from './support/refusal.ts';

const json = suite('json');

const MAX_BYTES = 2 ** 27;

function parse(text: string): JsonValue {
  return parseJson(utf8(text), { file: 'file.json', maxBytes: MAX_BYTES });
}

/** What `JSON.parse` would have made of it. */
function plain(value: JsonValue): unknown {
  if (isJsonNumber(value)) return value.value;
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, member] of value) object[key] = plain(member);
  return object;
}

function withoutPrototypes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPrototypes);
  if (typeof value !== 'object' || value === null) return value;
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, member] of Object.entries(value)) object[key] = withoutPrototypes(member);
  return object;
}

/** Our result is that of `JSON.parse`, or we refuse. @returns whether we accept */
function agrees(text: string): boolean {
  let ours: unknown;
  try {
    ours = plain(parse(text));
  } catch (error) {
    assert.instance(error, BaichuanError);
    return false;
  }
  assert.equal(ours, withoutPrototypes(JSON.parse(text)));
  return true;
}

function refuse(text: string | Uint8Array, expected: ExpectedRefusal) {
  const bytes = typeof text === 'string' ? utf8(text) : text;
  const options = { file: 'file.json', maxBytes: MAX_BYTES };
  return expectRefusal(() => parseJson(bytes, options), { file: 'file.json', ...expected });
}

json('law: what is accepted equals JSON.parse, for any value in any spelling', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), fc.nat({ max: 3 }), (text, indent) => {
      const spelt = JSON.stringify(JSON.parse(text), null, indent);
      assert.ok(agrees(spelt), spelt);
    }),
    { seed: 1, numRuns: 1000 },
  );
});

json('law: what JSON.parse rejects is rejected, for mutations of valid texts', () => {
  const piece = fc.constantFrom(
    ...['{', '}', '[', ']', ',', ':', '"', '\\', '\\u', 'd83d', '0', '-', '.', 'e', '+', 'true'],
    ...['nul', ' ', '\n', '\u00a0', '\ufeff', '//', "'", 'NaN', '"a":', '\u0000', '\\x', '1e999'],
  );
  const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
  const mutated = fc
    .tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.nat({ max: 3 }), text)
    .map(([valid, at, cut, extra]) => {
      const position = at % (valid.length + 1);
      return valid.slice(0, position) + extra + valid.slice(position + cut);
    });
  fc.assert(
    fc.property(fc.oneof(text, mutated), (sample) => void agrees(sample)),
    {
      seed: 1,
      numRuns: 6000,
    },
  );
});

json('law: every prefix of a text is refused, or equals JSON.parse', () => {
  const text = '{"a": [1, -2.5e3, "\\u00e9\\n", {"b": null}], "世": [true, false, []]} ';
  for (let end = 0; end < text.length; end++) {
    assert.is(agrees(text.slice(0, end)), end >= text.trimEnd().length);
  }
});

json('law: integers below 2^53 are numbers, what a double does not hold keeps its text', () => {
  assert.equal(parse('[0, -7, 9007199254740991, 0.5, -1e-7]'), [0, -7, 2 ** 53 - 1, 0.5, -1e-7]);
  for (const text of ['9007199254740993', '-9007199254740993', '1e999', '8.0', '-0', '1E2']) {
    assert.equal(parse(text), { text, value: Number(text) });
  }
});

json('law: names of prototypes are keys like any other', () => {
  const value = parse('{"__proto__": {"x": 1}, "constructor": 2, "toString": 3}');
  assert.instance(value, Map);
  assert.equal(
    [...(value instanceof Map ? value.keys() : [])],
    ['__proto__', 'constructor', 'toString'],
  );
});

json('law: nesting of 64 is accepted', () => {
  assert.ok(agrees('['.repeat(64) + ']'.repeat(64)));
});

json('error: nesting of 65, and of a million within 50 ms', async () => {
  const nested = '['.repeat(65) + ']'.repeat(65);
  await refuse(nested, { code: 'json-depth', where: 'byte 64', expected: 64 });
  const million = utf8('['.repeat(1e6));
  await refuse(million, { code: 'json-depth', withinMs: 50 });
  await refuse('{"a":'.repeat(1e5), { code: 'json-depth', where: '/a/a/a' });
});

json('error: a key given twice, with both places', async () => {
  const text = '{"a": {"b": 1, "c": 2,\n "\\u0062": 3}}';
  const message = ['bytes 7 and 24', 'file.json'];
  await refuse(text, { code: 'json-duplicate-key', where: '/a/b', message, fix: 'Remove' });
  await refuse('{"__proto__":1,"__proto__":1}', { code: 'json-duplicate-key' });
  await refuse('[0,{"x~/":{},"x~/":{}}]', { code: 'json-duplicate-key', where: '/1/x~0~1' });
});

json('error: syntax, with line, column and byte', async () => {
  const code = 'json-syntax';
  await refuse('{"a": 1,\n "世": tru}', { code, where: 'line 2, column 7, byte 17, in /世' });
  await refuse('{"a": 1,}', { code, where: 'column 9', message: 'no comma' });
  await refuse('[1, 2,]', { code, where: 'column 7', message: 'no comma' });
  await refuse('{"a": NaN}', { code, where: 'column 7', message: '"N"' });
  await refuse('{"a": -Infinity}', { code, where: 'column 7' });
  await refuse("{'a': 1}", { code, message: 'double quotes' });
  await refuse('{"a": 1 /* one */}', { code, message: '"/"' });
  await refuse('{"a" 1}', { code, message: 'colon' });
  await refuse('{"a": "x', { code, message: 'the end' });
  await refuse('{"a": 01}', { code, where: 'column 8' });
  await refuse('{"a": 1} {}', { code, message: 'follow' });
  await refuse('["\t"]', { code, message: 'control character' });
  await refuse('["\\x41"]', { code, message: 'escape' });
  await refuse('', { code, message: 'the end' });
});

json('error: half a surrogate pair, which JSON.parse lets pass', async () => {
  for (const text of ['"\\ud83d"', '"\\ude00"', '"\\ud83d\\u0041"', '"\\ude00\\ud83d"']) {
    await refuse(text, { code: 'json-syntax', message: 'surrogate' });
  }
  assert.is(parse('"\\uD83D\\uDE00"'), '😀');
});

json('error: bytes that are not UTF-8, and a byte order mark', async () => {
  const bytes = Uint8Array.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x7d]);
  await refuse(bytes, { code: 'json-utf8', where: 'byte 2', message: '0xc3', fix: 'UTF-8' });
  await refuse('\ufeff{}', { code: 'json-utf8', where: 'byte 0', message: 'byte order mark' });
});

json('error: too many bytes, and too many arrays for their bytes', async () => {
  const bytes = utf8('[1,2,3]');
  const action = () => parseJson(bytes, { file: 'file.json', maxBytes: 6 });
  await expectRefusal(action, { code: 'json-size', expected: 6, found: 7 });
  const million = `[${'{},'.repeat(1_000_000)}0]`;
  await refuse(million, { code: 'json-size', expected: 197_500, withinBytes: 2 ** 28 });
  const numbers = `[${'8.0,'.repeat(300_001)}8.0]${' '.repeat(5e6)}`;
  await refuse(numbers, { code: 'json-size', expected: 300_002, found: 300_003 });
  // One for 16 of the 60,003 bytes, and 10,000 more.
  await refuse(`[${'{},'.repeat(20_000)}0]`, { code: 'json-size', expected: 13_750 });
});

json('error: too many values, and too many keys in one object', async () => {
  const zeros = (count: number) => `[${'0,'.repeat(count - 2)}0]`;
  assert.ok(parse(zeros(1_100_000)));
  const large = { withinBytes: 2 ** 28, withinMs: 2000 };
  const values = { code: 'json-size', expected: 1_100_000, found: 1_100_001, ...large } as const;
  await refuse(zeros(1_100_001), { ...values, message: 'values', where: '/1099999' });
  const members = (count: number) =>
    `{"a":{${Array.from({ length: count }, (_, index) => `"${index}":0`).join(',')}}}`;
  assert.ok(parse(members(100_001)));
  const keys = { code: 'json-size', expected: 100_001, found: 100_002, ...large } as const;
  await refuse(members(100_002), { ...keys, message: 'keys', where: '/a/100001' });
});

json(
  'error: white space is space, tab, line feed and carriage return, and nothing else',
  async () => {
    assert.equal(parse(' \t\r\n[ \t\r\n1 \t\r\n, 2 \t\r\n] \t\r\n'), [1, 2]);
    for (const space of [
      '\v',
      '\f',
      '\b',
      '\u0000',
      '\u001f',
      '\u0085',
      '\u00a0',
      '\u2028',
      '\ufeff',
    ]) {
      for (const text of [`[${space}]`, `[1${space}]`, `{${space}}`, `[]${space}`]) {
        await refuse(text, { code: 'json-syntax' });
      }
    }
  },
);

json('law: a string with any escapes is what JSON.parse makes of it', () => {
  const piece = fc.constantFrom(
    ...['\\n', '\\"', '\\\\', '\\/', '\\b', '\\f', '\\r', '\\t', '\\u0000', '\\u4E16', '\\ud7ff'],
    ...['\\uD83d\\uDe00', '\\ue000', '\\uFFFF', 'a', '世', '😀', '/', "'", '\u007f', '\u2028'],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = `{"${pieces.join('')}":"${pieces.join('')}"}`;
      assert.ok(agrees(text), text);
    }),
    { seed: 1, numRuns: 1000 },
  );
});

json('law: byteOffset shifts the bytes that an error names', () => {
  const action = () => parseJson(utf8('{]'), { maxBytes: 100, byteOffset: 8 });
  assert.throws(action, /line 1, column 2, byte 9/);
});

json('law: duplicateError replaces the error for a key given twice', () => {
  const seen: unknown[] = [];
  const other = new BaichuanError('safetensors-duplicate', { what: 'Twice.', fix: 'Mend it.' });
  const action = () =>
    parseJson(utf8('{"a":1,"a":2}'), {
      maxBytes: 100,
      duplicateError: (duplicate) => {
        seen.push(duplicate);
        return other;
      },
    });
  assert.throws(action, (error: Error) => error === other);
  assert.equal(seen, [{ key: 'a', pointer: '/a', depth: 1, byteOffsets: [1, 7] }]);
});

json('law: a pointer escapes what RFC 6901 says, and what a terminal would act on', () => {
  assert.is(jsonPointer(['a/b', 'm~n', 3, '\u001b[2J', '']), '/a~1b/m~0n/3/\\u001b[2J/');
  assert.is(jsonPointer(['~'.repeat(1e7)]), `/${'~0'.repeat(60)}…`);
});

json.run();
