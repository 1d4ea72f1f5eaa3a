/** Numbers as reports write them. */

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  exactNumber,
  log10,
  percent,
  powerOfTen,
  scientific,
} from '../../../src/conform/report/numbers.ts';

const numbers = suite('report numbers');

numbers('law: a number that is read back differs by half a digit of three', () => {
  const read = (text: string) =>
    Number(
      text
        .replaceAll('−', '-')
        .replace(' · 10', 'e')
        .replace('⁻', '-')
        .replace(/[⁰¹²³⁴⁵⁶⁷⁸⁹]/g, (digit) => String('⁰¹²³⁴⁵⁶⁷⁸⁹'.indexOf(digit))),
    );
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
      fc.pre(Math.abs(x) > 1e-300 && Math.abs(x) < 1e307);
      assert.ok(Math.abs(read(scientific(x)) / x - 1) <= 0.0051, `${x} ${scientific(x)}`);
    }),
    { seed: 1, numRuns: 1000 },
  );
  const special = [0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  assert.equal(special.map(scientific), ['0', 'NaN', '∞', '−∞']);
});

numbers('law: an exact number is the float32 that was given', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
      assert.is(Math.fround(Number(exactNumber(x).replace('−', '-'))), x === 0 ? 0 : x);
    }),
    { seed: 1, numRuns: 1000 },
  );
});

numbers('law: powers, logarithms and shares', () => {
  assert.equal([-12, 0, 3].map(powerOfTen), ['10⁻¹²', '10⁰', '10³']);
  for (const x of [1e-9, 0.5, 1, 1000]) assert.ok(Math.abs(log10(x) - Math.log10(x)) < 1e-14);
  assert.equal([0, 1e-9, 0.0123, 0.5, 1].map(percent), [
    ...['0 %', '< 0.01 %', '1.23 %', '50.0 %', '100.0 %'],
  ]);
});

numbers.run();
