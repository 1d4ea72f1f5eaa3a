import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addPair, findPair, makePairMap } from '../../src/tokenizer/pair-map.ts';

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

test.run();
