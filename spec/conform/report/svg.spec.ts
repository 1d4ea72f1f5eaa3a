/** Scales of the plots. */

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ticksOf } from '../../../src/conform/report/scatter.ts';
import { logScale, PARTS, partOf } from '../../../src/conform/report/svg.ts';
import { LAYER_TRACE_KINDS } from '../../../src/model/trace-points.ts';

const svg = suite('report plots');

svg('law: a larger number never lies lower, 0 lies lowest, what is not finite highest', () => {
  const number = fc.oneof(
    fc.double({ min: 1e-30, max: 1e30, noNaN: true }),
    fc.constantFrom(0, Number.POSITIVE_INFINITY),
  );
  fc.assert(
    fc.property(fc.array(number, { minLength: 1, maxLength: 20 }), (values) => {
      const [top, bottom] = [10, 300];
      const scale = logScale(values, top, bottom);
      const sorted = [...values].sort((a, b) => a - b);
      const heights = sorted.map((value) => scale.y(value));
      heights.forEach((y, i) => {
        assert.ok(y >= top && y <= bottom);
        assert.ok(i === 0 || y <= heights[i - 1] + 1e-9);
      });
      for (const value of sorted) {
        if (value > 0) assert.ok(scale.y(value) < scale.y(0));
        if (Number.isFinite(value)) assert.ok(scale.y(value) > scale.y(Number.NaN));
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});

svg('law: a decade is as high as the next', () => {
  const scale = logScale([1e-7, 1e-2], 0, 400);
  const steps = [-7, -6, -5, -4, -3].map((k) => scale.y(10 ** k) - scale.y(10 ** (k + 1)));
  for (const step of steps) assert.ok(Math.abs(step - steps[0]) < 1e-9);
});

svg('law: ticks are two to eight round numbers within their range', () => {
  fc.assert(
    fc.property(
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
      (from, span) => {
        const ticks = ticksOf(from, from + span);
        assert.ok(ticks.length >= 2 && ticks.length <= 8, String(ticks));
        for (const tick of ticks) {
          assert.ok(tick >= from - 1e-6 * span && tick <= from + span * (1 + 1e-6));
        }
      },
    ),
    { seed: 1, numRuns: 500 },
  );
  assert.equal(ticksOf(-10.5, 24), [-10, 0, 10, 20]);
  assert.equal(ticksOf(3, 3), [3]);
});

svg('law: every tensor belongs to a part that the legend names', () => {
  const named = new Set(PARTS.map(([part]) => part));
  for (const kind of LAYER_TRACE_KINDS) assert.ok(named.has(partOf(kind)), kind);
});

svg.run();
