import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  makeAgenda,
  makeTails,
  pop,
  positionOf,
  push,
  rankOf,
} from '../../src/tokenizer/agenda.ts';

const test = suite('tokenizer/agenda');

/** Pushes of (rank, position), and pops where there is none. */
const steps = fc.array(
  fc.option(fc.tuple(fc.nat({ max: 4 }), fc.oneof(fc.nat({ max: 9 }), fc.nat(2 ** 31 - 1)))),
  { maxLength: 300 },
);

test('law: pops come in the order of rank, then position, whatever the order of pushes', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const tails = makeTails(5);
      const agenda = makeAgenda(tails);
      const model: [number, number][] = [];
      const popBoth = (): void => {
        model.sort(([a, b], [c, d]) => a - c || b - d);
        const key = pop(agenda);
        assert.equal([rankOf(key), positionOf(key)], model.shift());
      };
      for (const step of list) {
        if (step !== null) {
          push(agenda, ...step);
          model.push(step);
        } else if (model.length > 0) popBoth();
      }
      while (model.length > 0) popBoth();
      assert.is(agenda.heapSize, 0);
      assert.ok(tails.every((tail) => tail === -1));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('law: pushes of one rank in rising order keep the heap at one run', () => {
  const agenda = makeAgenda(makeTails(2));
  for (let position = 0; position < 1000; position++) push(agenda, 1, position);
  assert.is(agenda.heapSize, 1);
});

test.run();
