/** Opens the reports of `compare --html`, `trace --html` and `conform --html` from disk in
 *  Chromium: nothing is asked of the network, nothing complains, and what should be drawn is
 *  drawn. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { withChromium } from './chromium.mjs';
import { makeReports } from './make-reports.mjs';

/** @typedef {import('./chromium.mjs').OpenPage} OpenPage */
/** @typedef {(url: string, options?: { scripts?: boolean, width?: number })
 *    => Promise<OpenPage>} Open */
/** @typedef {import('./make-reports.mjs').Reports} Reports */

/** How many colours a canvas has. A copy is read, which a browser may keep in memory. */
const COLORS = `(id) => {
  const canvas = document.getElementById(id);
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const context = copy.getContext('2d', { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}`;

/** All pixels of a canvas as a text. */
const PIXELS = `(id) => document.getElementById(id).toDataURL()`;

/** @type {[string, (open: Open, reports: Reports) => Promise<void>][]} */
const CHECKS = [
  ['a comparison shows its verdict, a mark for every tensor, dots, tokens and rows', checkCompare],
  ['the maps are drawn, and another head draws another map', checkMaps],
  ['arrow keys move over a map and read out the cell', checkKeys],
  ['the filter of the tensors hides what is within', checkFilter],
  ['a local comparison shows what the model computed beside what was found', checkLocal],
  [
    'a trace shows layers, guesses of every layer, maps and next tokens, in Chinese too',
    checkTrace,
  ],
  ['a whole run shows its claims, their cases and the trace that parts', checkConform],
  ['arrow keys choose a guess of the lens', checkLens],
  ['without scripts the verdict, plots and tables are still there', checkPlain],
  ['dark pages have light text, and narrow ones do not scroll sideways', checkLook],
];

/** Makes the reports and goes through the checks.
 *  @returns {Promise<{ tests: number, failures: string[] }>} */
export async function runReports() {
  const folder = mkdtempSync(path.join(tmpdir(), 'baichuan-reports-'));
  /** @type {string[]} */
  const failures = [];
  try {
    const reports = makeReports(folder);
    await withChromium(async (open) => {
      for (const [title, check] of CHECKS) {
        await checkQuietly(open, (quiet) => check(quiet, reports)).catch((error) =>
          failures.push(`${title}: ${error?.stack ?? error}`),
        );
      }
    });
  } catch (error) {
    failures.push(`reports: ${/** @type {Error} */ (error).stack}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { tests: CHECKS.length, failures };
}

/** Goes through a check whose pages must ask for nothing but themselves, and complain of nothing.
 *  @param {Open} open @param {(open: Open) => Promise<void>} check */
async function checkQuietly(open, check) {
  /** @type {[string, OpenPage][]} */
  const pages = [];
  await check(async (url, options) => {
    const page = await open(url, options);
    pages.push([url, page]);
    return page;
  });
  assert.ok(pages.length > 0);
  for (const [url, page] of pages) {
    assert.deepEqual(page.complaints, []);
    assert.deepEqual(page.requests, [url]);
  }
}

/** @param {Open} open @param {Reports} reports */
async function checkCompare(open, { compare }) {
  const page = await open(compare);
  const count = (/** @type {string} */ selector) =>
    page.number(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  assert.equal(await page.evaluate(`document.querySelector('.verdict .word').innerText`), 'FAIL');
  const first = await page.text(`document.getElementById('first').innerText`);
  assert.match(first, /layers\.1\.self_attn\.probs[\s\S]*head\s+2\s/);
  const rows = await count('#tensor-table tbody tr');
  assert.equal(rows, 50);
  assert.equal(await count('#error-plot a.point'), rows);
  assert.equal(await count('#error-plot a.point.beyond'), await count('tbody tr.beyond'));
  assert.equal(await count('#error-plot .halo'), 1);
  assert.ok((await count('#logit-scatter .dot')) > 500);
  assert.equal(await count('#token-table tbody tr'), 20);
  assert.equal(await count('#token-table .badge.bad'), 1);
  // Marks lie inside of the plot and not on one another.
  const marks = await page.text(`JSON.stringify(
    [...document.querySelectorAll('#error-plot a.point')]
      .map((mark) => mark.getBoundingClientRect()).map(({ x, y }) => [x, y]))`);
  const plot = await page.text(
    `JSON.stringify(document.getElementById('error-plot').getBoundingClientRect())`,
  );
  /** @type {[number, number][]} */
  const places = JSON.parse(marks);
  /** @type {DOMRect} */
  const box = JSON.parse(plot);
  const inside = places.filter(
    ([x, y]) => x >= box.x && x <= box.right && y >= box.y && y <= box.bottom,
  );
  assert.equal(inside.length, rows);
  assert.ok(new Set(places.map(String)).size > 0.9 * rows);
}

/** @param {Open} open @param {Reports} reports */
async function checkMaps(open, { compare }) {
  const page = await open(compare);
  const choice = `[document.getElementById('attention-layer').value,
    document.getElementById('attention-head').value].join()`;
  assert.equal(await page.evaluate(choice), '1,2');
  assert.ok((await page.number(`(${COLORS})('map-expected')`)) > 20);
  assert.equal(await page.evaluate(`(${COLORS})('map-difference')`), 3);
  const before = await page.evaluate(`(${PIXELS})('map-expected')`);
  await page.evaluate(`(() => {
    const select = document.getElementById('attention-head');
    select.value = '4';
    select.dispatchEvent(new Event('change'));
  })()`);
  assert.notEqual(await page.evaluate(`(${PIXELS})('map-expected')`), before);
  assert.equal(await page.evaluate(`(${COLORS})('map-difference')`), 1);
  await page.evaluate(`document.querySelectorAll('#attention-heads button')[2].click()`);
  assert.equal(await page.evaluate(choice), '1,2');
  assert.equal(await page.evaluate(`(${PIXELS})('map-expected')`), before);
  await page.evaluate(`document.getElementById('attention-next').click()`);
  assert.equal(await page.evaluate(choice), '1,3');
}

/** @param {Open} open @param {Reports} reports */
async function checkKeys(open, { compare }) {
  const page = await open(compare);
  const readout = `document.getElementById('attention-readout').innerText`;
  await page.evaluate(`document.getElementById('map-expected').focus()`);
  for (let i = 0; i < 30; i++) await page.press('ArrowDown');
  assert.match(await page.text(readout), /^Layer 1, head 2: .* \(19\) looks at W \(0\): /);
  assert.match(await page.text(readout), /difference about [+−]10\^-\d\.$/);
  await page.press('ArrowRight');
  await page.press('ArrowRight');
  assert.match(await page.text(readout), /the same bits\.$/);
}

/** @param {Open} open @param {Reports} reports */
async function checkFilter(open, { compare }) {
  const page = await open(compare);
  const shown = `[...document.querySelectorAll('#tensor-table tbody tr')]
    .filter((row) => row.checkVisibility()).length`;
  const all = await page.number(shown);
  await page.evaluate(`document.getElementById('tensor-faults').click()`);
  const faults = await page.number(shown);
  assert.ok(faults > 0 && faults < all);
  await page.evaluate(`location.hash = document.querySelector('tbody tr.within').id`);
  await page.evaluate(`new Promise((resolve) => setTimeout(resolve, 50))`);
  assert.equal(await page.number(shown), all);
}

/** @param {Open} open @param {Reports} reports */
async function checkLocal(open, { local }) {
  const page = await open(local);
  assert.ok((await page.number(`(${COLORS})('map-expected')`)) > 20);
  assert.ok((await page.number(`(${COLORS})('map-difference')`)) > 2);
  assert.ok((await page.number(`document.querySelectorAll('#logit-scatter .dot').length`)) > 500);
}

/** @param {Open} open @param {Reports} reports */
async function checkTrace(open, { trace }) {
  const page = await open(trace);
  const count = (/** @type {string} */ selector) =>
    page.number(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  assert.equal(await count('#layer-plot .point'), 9);
  assert.equal(await count('#layer-table tbody tr'), 3);
  assert.equal(await count('#lens-table tbody tr'), 4);
  assert.equal(await count('#lens-table button.guess'), 4 * 20);
  assert.ok((await page.number(`(${COLORS})('map-found')`)) > 20);
  assert.equal(await count('#attention-heads button'), 6);
  assert.equal(await count('#token-table tbody tr'), 20);
  const text = await page.text(`document.body.innerText`);
  for (const word of ['李商隐', '夜', '雨', '北', '_Tol'.replace('_', '▁')]) {
    assert.ok(text.includes(word), word);
  }
  assert.match(await page.text(`document.getElementById('lens-guesses').innerText`), /李商隐/);
}

/** @param {Open} open @param {Reports} reports */
async function checkConform(open, { conform }) {
  const page = await open(conform);
  const text = (/** @type {string} */ id) =>
    page.text(`document.getElementById('${id}').innerText`);
  assert.equal(await page.evaluate(`document.querySelector('.verdict .word').innerText`), 'FAIL');
  assert.match(
    await text('claim-table'),
    /layers\s+FAIL\s+0 of 1[\s\S]*determinism\s+PASS\s+3 of 3/,
  );
  assert.match(await text('claim-determinism'), /repeat-3\s+PASS\s+0\s+0\s+the same bits/);
  assert.match(await text('first'), /layers\.1\.self_attn\.probs[\s\S]*head\s+2\s/);
  assert.ok((await page.number(`(${COLORS})('map-difference')`)) > 1);
  assert.ok((await page.number(`document.querySelectorAll('#error-plot a.point').length`)) > 300);
}

/** @param {Open} open @param {Reports} reports */
async function checkLens(open, { trace }) {
  const page = await open(trace);
  const place = `document.getElementById('lens-place').innerText`;
  assert.match(await page.text(place), /read from layer 2:$/);
  await page.evaluate(`document.querySelector('#lens-table [aria-pressed="true"]').focus()`);
  await page.press('ArrowUp');
  assert.match(await page.text(place), /read from layer 1:$/);
  assert.equal(await page.evaluate(`document.querySelectorAll('.guess[tabindex="0"]').length`), 1);
}

/** @param {Open} open @param {Reports} reports */
async function checkPlain(open, { compare, trace }) {
  const page = await open(compare, { scripts: false });
  const text = await page.text(`document.body.innerText`);
  for (const word of ['FAIL', 'Where they part first', 'switched off', 'layers.2.mlp.output']) {
    assert.ok(text.includes(word), word);
  }
  const other = await open(trace, { scripts: false });
  assert.match(await other.text(`document.getElementById('lens-table').innerText`), /李商隐/);
}

/** @param {Open} open @param {Reports} reports */
async function checkLook(open, { compare, trace, conform }) {
  for (const url of [compare, trace, conform]) {
    const page = await open(url, { width: 390 });
    const overflow = `document.documentElement.scrollWidth - document.documentElement.clientWidth`;
    assert.equal(await page.evaluate(overflow), 0);
    const lightness = `getComputedStyle(document.body).color.match(/\\d+/g)
      .reduce((sum, channel) => sum + Number(channel), 0)`;
    assert.ok((await page.number(lightness)) < 200);
    await page.darken();
    assert.ok((await page.number(lightness)) > 550);
    assert.ok((await page.screenshot()).length > 20_000);
  }
}
