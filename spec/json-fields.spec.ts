import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseJson } from '../src/json.ts';
import {
  fieldsOf,
  type JsonFields,
  showJson,
  takeArray,
  takeBoolean,
  takeInteger,
  takeNumber,
  takeObject,
  takeOptional,
  takeString,
} from '../src/json-fields.ts';
import { utf8 } from './support/model-files.ts';
import { expectRefusal } from './support/refusal.ts';

const jsonFields = suite('json-fields');

const text = `{"integer": 7, "float": 8.0, "half": 0.5, "huge": 1e999, "wide": 9007199254740993,
  "name": "x", "yes": true, "list": [1], "object": {"inner": "y"}, "nothing": null}`;

function fields(): JsonFields {
  const json = parseJson(utf8(text), { maxBytes: 1000 });
  return fieldsOf(json, { file: 'file.json', path: [], code: 'config-field' });
}

const range = { min: 0, max: 10 };

jsonFields('law: a field of the right type gives its value', () => {
  assert.is(takeInteger(fields(), 'integer', range), 7);
  assert.is(takeNumber(fields(), 'half', range), 0.5);
  assert.is(takeNumber(fields(), 'float', range), 8);
  assert.is(takeString(fields(), 'name'), 'x');
  assert.is(takeBoolean(fields(), 'yes'), true);
  assert.equal(takeArray(fields(), 'list'), [1]);
  assert.is(takeString(takeObject(fields(), 'object'), 'inner'), 'y');
});

jsonFields('law: a missing field and null are both absent, and nothing else is', () => {
  assert.is(takeOptional(fields(), 'absent', takeString), undefined);
  assert.is(takeOptional(fields(), 'nothing', takeString), undefined);
  assert.is(takeOptional(fields(), 'name', takeString), 'x');
});

jsonFields('error: an integer written otherwise, missing, or out of its range', async () => {
  const code = 'config-field';
  const take = (key: string) => () => takeInteger(fields(), key, range);
  await expectRefusal(take('absent'), { code, where: '/absent', message: 'missing' });
  for (const [key, found] of [
    ['float', '8.0'],
    ['half', '0.5'],
    ['huge', '1e999'],
    ['wide', '9007199254740993'],
    ['name', '"x"'],
    ['yes', 'true'],
    ['list', 'an array of 1'],
    ['object', 'an object of 1'],
    ['nothing', 'null'],
  ]) {
    await expectRefusal(take(key), {
      code,
      where: `/${key}`,
      message: 'from 0 to 10',
      found,
      file: 'file.json',
    });
  }
  const narrow = { min: 8, max: 10 };
  await expectRefusal(() => takeInteger(fields(), 'integer', narrow), { code, found: '7' });
  const low = { min: 0, max: 6, limitCode: 'config-limit' } as const;
  const limited = { code: 'config-limit', found: '7' } as const;
  await expectRefusal(() => takeInteger(fields(), 'integer', low), limited);
});

jsonFields('error: another type than the field has, with its pointer', async () => {
  const code = 'config-field';
  const inner = () => takeNumber(takeObject(fields(), 'object'), 'inner', range);
  await expectRefusal(inner, { code, where: '/object/inner', message: 'a number from 0 to 10' });
  await expectRefusal(() => takeNumber(fields(), 'huge', range), { code, found: '1e999' });
  await expectRefusal(() => takeString(fields(), 'yes'), { code, message: 'a string' });
  await expectRefusal(() => takeBoolean(fields(), 'name'), { code, message: 'true or false' });
  await expectRefusal(() => takeArray(fields(), 'object'), { code, message: 'an array' });
  await expectRefusal(() => takeObject(fields(), 'list'), { code, message: 'an object' });
  const root = () => fieldsOf([], { file: 'file.json', path: [], code });
  await expectRefusal(root, { code, where: 'the whole file', found: 'an array of 0' });
});

jsonFields('law: a value is shown in a few printable words, a number as it was written', () => {
  const show = (json: string) => showJson(parseJson(utf8(json), { maxBytes: 10_000 }));
  assert.is(show('9007199254740993'), '9007199254740993');
  assert.is(show('"\\u001b[31m"'), '"\\u001b[31m"');
  assert.match(show(`1${'0'.repeat(999)}`), /^10{59}… \(1000 characters\)$/);
  assert.is(show('{"a":1}'), 'an object of 1');
});

jsonFields.run();
