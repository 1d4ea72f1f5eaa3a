import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  boolValue,
  bytesValue,
  floatValue,
  int32Value,
  readFields,
  type WireField,
} from '../../src/tokenizer/protobuf.ts';
import { expectRefusal } from '../support/refusal.ts';
import { bytesField, floatField, varint, varintField } from './model-builder.ts';

const test = suite('tokenizer/protobuf');

const FILE = 'tokenizer.model';

function fieldsOf(content: readonly number[]): WireField[] {
  const bytes = Uint8Array.from(content);
  const fields: WireField[] = [];
  readFields({ bytes, start: 0, end: bytes.length, file: FILE }, (field) => fields.push(field));
  return fields;
}

function fieldOf(content: readonly number[]): WireField {
  return fieldsOf(content)[0];
}

test('law: every varint up to 64 bits is read as its two words', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      const bytes: number[] = [];
      let rest = value;
      for (; rest >= 128n; rest /= 128n) bytes.push(Number(rest % 128n) + 128);
      const { low, high } = fieldOf([8, ...bytes, Number(rest)]);
      assert.is(BigInt(high) * 2n ** 32n + BigInt(low), value);
    }),
    { seed: 1, numRuns: 500, examples: [[0n], [127n], [128n], [2n ** 32n], [2n ** 64n - 1n]] },
  );
});

test('law: int32 takes the low word with its sign, bool any word that is not 0', () => {
  const minusOne = [8, ...Array.from({ length: 9 }, () => 0xff), 1];
  assert.is(int32Value(fieldOf(minusOne)), -1);
  assert.is(int32Value(fieldOf(varintField(1, 2 ** 31 - 1))), 2 ** 31 - 1);
  assert.is(boolValue(fieldOf(varintField(1, 0))), false);
  assert.is(boolValue(fieldOf(varintField(1, 2 ** 40))), true);
});

test('law: fields come in file order with number, offset and value', () => {
  const content = [
    ...bytesField(1, [1, 2, 3]),
    ...floatField(2, -1.5),
    ...varintField(2 ** 29 - 1, 7),
    ...[3 * 8 + 1, 1, 2, 3, 4, 5, 6, 7, 8],
  ];
  const fields = fieldsOf(content);
  assert.equal(
    fields.map(({ number, byteOffset }) => [number, byteOffset]),
    [
      [1, 0],
      [2, 5],
      [2 ** 29 - 1, 10],
      [3, 16],
    ],
  );
  const { start, end } = bytesValue(fields[0]);
  assert.equal([start, end], [2, 5]);
  assert.is(floatValue(fields[1]), -1.5);
});

const REFUSED: [string, readonly number[], string][] = [
  ['a varint of 11 bytes', [8, ...Array.from({ length: 10 }, () => 0x80), 0], 'byte 1'],
  ['a varint of more than 64 bits', [8, ...Array.from({ length: 9 }, () => 0xff), 2], 'byte 1'],
  ['a varint that is cut off', [...varintField(1, 3), 8, 0x80], 'byte 3'],
  ['the field number 0', [...varintField(1, 3), 0, 0], 'byte 2'],
  ['a field number of 30 bits', [...varint(2 ** 32), 0], 'byte 0'],
  ...[3, 4, 6, 7].map((wireType): [string, readonly number[], string] => {
    return [`the wire type ${wireType}`, [...varintField(1, 3), 8 + wireType, 0], 'byte 2'];
  }),
  ['a length past the end', [...varintField(1, 3), 10, 2, 0], 'byte 4'],
  ['a length of 2⁶³', [10, ...Array.from({ length: 9 }, () => 0x80), 1], 'byte 11'],
  ['a float that is cut off', [8 + 5, 0, 0, 0], 'byte 1'],
  ['a fixed value of eight bytes that is cut off', [8 + 1, 0, 0, 0, 0], 'byte 1'],
];

for (const [name, content, where] of REFUSED) {
  test(`error: TK02 ${name} is refused with its offset`, async () => {
    await expectRefusal(() => fieldsOf(content), {
      code: 'protobuf-wire',
      file: FILE,
      where: new RegExp(`^${where}$`),
      fix: 'download it again',
    });
  });
}

test('error: a field of another wire type than its schema says is refused', async () => {
  const float = fieldOf(floatField(4, 1));
  const number = fieldOf(varintField(4, 1));
  const expected = { code: 'protobuf-wire', where: 'byte 0', message: 'field 4' } as const;
  await expectRefusal(() => int32Value(float), expected);
  await expectRefusal(() => boolValue(float), expected);
  await expectRefusal(() => bytesValue(float), expected);
  await expectRefusal(() => floatValue(number), expected);
});

test.run();
