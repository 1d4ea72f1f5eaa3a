import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addPair, findPair, makePairMap } from '../../src/tokenizer/pair-map.ts';
import { expectRefusal } from '../support/refusal.ts';

const test = suite('tokenizer/pair-map');

const symbol = fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 2 ** 21 }));

test('law: a pair map is a map whose first entry of a pair stays', () => {
  const entries = fc.array(fc.tuple(symbol, symbol, fc.integer({ min: -1, max: 2 ** 20 })), {
    maxLength: 2000,
  });
  fc.assert(
    fc.property(entries, symbol, (list, other) => {
      const map = makePairMap();
      const model = new Map<string, number>();
      for (const [left, right, value] of list) {
        addPair(map, left, right, value);
        const key = `${left} ${right}`;
        if (!model.has(key)) model.set(key, value);
      }
      for (const [left, right] of list) {
        assert.is(findPair(map, left, right, -2), model.get(`${left} ${right}`));
        assert.is(findPair(map, right, other, -2), model.get(`${right} ${other}`) ?? -2);
      }
      assert.is(map.size, model.size);
      assert.is(findPair(map, -1, other, -2), -2);
      assert.is(findPair(map, other, -1, -2), -2);
    }),
    { seed: 1, numRuns: 50 },
  );
});

/** x with x · odd = 1 modulo 2³², by Newton's method. */
function inverse(odd: number): number {
  let x = odd;
  for (let step = 0; step < 5; step++) x = Math.imul(x, 2 - Math.imul(odd, x));
  return x;
}

test('error: pairs that are made to collide are refused, and soon', async () => {
  const back = inverse(0xbb67ae85);
  const collide = (): void => {
    const map = makePairMap();
    for (let left = 0; left < 2 ** 18; left++) {
      addPair(map, left, Math.imul(Math.imul(left, 0x9e3779b1) ^ 12345, back), 0);
    }
  };
  await expectRefusal(collide, {
    code: 'tokenizer-limit',
    where: 'pieces',
    message: 'made to collide',
    fix: 'checkpoint',
  });
});

test.run();
