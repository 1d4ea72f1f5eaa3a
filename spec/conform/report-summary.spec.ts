/** The gauge of how much of a bar was used. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gauge } from '../../src/conform/report-summary.ts';

const summary = suite('report summary');

summary('law: a gauge has a place per decade, and passes the bar only beyond it', () => {
  assert.is(gauge(0), '······│······');
  assert.is(gauge(1e-9), '······│······');
  assert.is(gauge(0.0009), '███···│······');
  assert.is(gauge(1), '██████│······');
  assert.is(gauge(1.01), '██████│█·····');
  assert.is(gauge(999), '██████│███···');
  for (const share of [1e7, Number.POSITIVE_INFINITY, Number.NaN]) {
    assert.is(gauge(share), '██████│██████');
  }
});

summary.run();
