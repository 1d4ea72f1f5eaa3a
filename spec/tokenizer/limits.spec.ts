import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts';
import { type ExpectedRefusal, expectRefusal } from '../support/refusal.ts';
import {
  BPE,
  type Bytes,
  buildLargeModel,
  buildModel,
  bytesField,
  readingBounds,
  TYPE,
  utf8,
} from './model-builder.ts';

const test = suite('tokenizer/limits');

const FILE = 'models/tokenizer.model';

async function expectLimit(bytes: Uint8Array, expected: Partial<ExpectedRefusal>): Promise<void> {
  const action = () => loadTokenizer(bytes, { file: FILE });
  const bounds = readingBounds(bytes);
  await expectRefusal(action, { code: 'tokenizer-limit', file: FILE, ...bounds, ...expected });
}

/** 0 in a browser, which does not tell. */
function usedBytes(): number {
  if (typeof process === 'undefined') return 0;
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  return heapUsed + Math.max(arrayBuffers, external);
}

/** Loads a model that is within every limit, and takes the time and the memory. */
function expectLoadWithinBounds(bytes: Uint8Array): Tokenizer {
  const { withinMs, withinBytes } = readingBounds(bytes);
  let tokenizer: Tokenizer | undefined;
  let [leastMs, leastBytes] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  // Neighbours on the machine disturb the time, garbage of earlier runs the memory, of one run.
  for (let run = 0; run < 5 && !(leastMs <= withinMs && leastBytes <= withinBytes); run++) {
    tokenizer = undefined;
    const [before, started] = [usedBytes(), performance.now()];
    tokenizer = loadTokenizer(bytes, { file: FILE });
    leastMs = Math.min(leastMs, performance.now() - started);
    leastBytes = Math.min(leastBytes, usedBytes() - before);
  }
  assert.ok(leastMs <= withinMs, `${leastMs} ms of ${withinMs}`);
  assert.ok(leastBytes <= withinBytes, `${leastBytes} bytes of ${withinBytes}`);
  assert.ok(tokenizer !== undefined);
  return tokenizer as Tokenizer;
}

function paddedId(id: number): string {
  return String(id).padStart(8, '0');
}

function selfTest(input: Bytes): Bytes {
  return bytesField(4, bytesField(1, [...bytesField(1, input), ...bytesField(2, [])]));
}

test('error: user-defined symbols of more than 2¹⁸ code units are refused', async () => {
  const large = buildLargeModel(1000, (id) => {
    return { piece: paddedId(id) + 'x'.repeat(1000), type: TYPE.userDefined };
  });
  const found = 1000 * 1008;
  await expectLimit(large, { where: 'pieces', expected: 2 ** 18, found, fix: 'checkpoint' });
});

test('law: user-defined symbols of nearly 2¹⁸ code units load within the bounds', () => {
  const large = buildLargeModel(256, (id) => {
    return { piece: paddedId(id) + 'x'.repeat(1000), type: TYPE.userDefined };
  });
  const tokenizer = expectLoadWithinBounds(large);
  assert.equal(tokenizer.encode(`00000017${'x'.repeat(1001)}`), [20, 0]);
});

test('error: self tests too many or too long are refused before any is run', async () => {
  const many = buildModel({ rest: Array.from({ length: 1025 }, () => selfTest([])).flat() });
  await expectLimit(many, { where: 'byte', message: 'self tests', expected: 2 ** 10 });
  const long = buildModel({ rest: selfTest(Array.from({ length: 2 ** 20 }, () => 97)) });
  await expectLimit(long, { where: 'byte', message: 'bytes of self tests', expected: 2 ** 14 });
  const half = selfTest(Array.from({ length: 2 ** 13 }, () => 97));
  const together = buildModel({ rest: [...half, ...half] });
  await expectLimit(together, { where: 'byte', message: 'bytes', expected: 2 ** 14 });
});

test('error: the dearest self test within the limits is run within the bounds', async () => {
  const almost = { piece: `${'a'.repeat(1023)}b`, type: TYPE.userDefined };
  const rest = selfTest(Array.from({ length: 16_000 }, () => 97));
  const code = 'tokenizer-self-test';
  await expectLimit(buildModel({ pieces: [almost], rest }), { code, where: 'samples[0]' });
});

for (const [field, name] of [
  [44, 'unk_surface'],
  [45, 'unk_piece'],
  [46, 'bos_piece'],
  [47, 'eos_piece'],
  [48, 'pad_piece'],
] as const) {
  test(`error: ${name} of more than 1,024 bytes is refused before it is decoded`, async () => {
    const trainer = (length: number): Bytes => [
      ...BPE,
      ...bytesField(field, utf8('x'.repeat(length))),
    ];
    loadTokenizer(buildModel({ trainer: trainer(1024) }));
    for (const length of [1025, 2 ** 20]) {
      const model = buildModel({ trainer: trainer(length) });
      const message = `field ${field}`;
      await expectLimit(model, { where: 'byte', message, expected: 1024 });
    }
  });
}

test('error: a piece of two megabytes is refused before it is decoded', async () => {
  const model = buildModel({ pieces: [{ piece: 'x'.repeat(2 ** 21) }] });
  await expectLimit(model, { code: 'tokenizer-piece', where: 'piece 3', message: '2097152' });
});

test('law: TK04 200,000 pieces load within the bounds', () => {
  const count = 200_000 - 3;
  const model = buildLargeModel(count, (id) => ({ piece: id.toString(36), score: -id }));
  const tokenizer = expectLoadWithinBounds(model);
  assert.is(tokenizer.vocabSize, 200_000);
  assert.is(tokenizer.pieceToId((count - 1).toString(36)), 199_999);
});

test('law: pieces that are cut as often as the limit allows load within the bounds', () => {
  // All words of two letters up to 14 of them: every part of every piece is a piece.
  const words = Array.from({ length: 2 ** 15 - 2 }, (_, index) => {
    const digits = (index + 2).toString(2).slice(1);
    return digits.replaceAll('0', 'a').replaceAll('1', 'b');
  });
  const model = buildLargeModel(words.length, (id) => ({ piece: words[id], score: id }));
  const tokenizer = expectLoadWithinBounds(model);
  const longest = 'ab'.repeat(7);
  assert.equal(tokenizer.encode(longest), [tokenizer.pieceToId(longest)]);
});

test.run();
