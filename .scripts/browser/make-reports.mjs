/** The reports that are opened in Chromium: of a trace, of two that differ, of one against its
 *  model, of a whole run. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../lib/command.mjs';

/** @typedef {{ compare: string, local: string, trace: string, conform: string }} Reports */

const PROMPT = 'War and Peace->Leo Tolstoy\n夜雨寄北->';

/** Writes the reports. @param {string} folder @returns {Reports} their addresses */
export function makeReports(folder) {
  const file = (/** @type {string} */ name) => path.join(folder, name);
  const url = (/** @type {string} */ name) => pathToFileURL(file(name)).href;
  baichuan(0, 'trace', '-p', PROMPT, '--out', file('expected'), '--html', file('trace.html'));
  const broken = readFileSync(file('expected'));
  breakProbabilities(broken);
  writeFileSync(file('found'), broken);
  const model = ['--model', 'fixtures/embedded'];
  const traces = [file('expected'), file('found')];
  baichuan(1, 'compare', ...model, ...traces, '--html', file('compare.html'));
  baichuan(1, 'compare', ...model, file('found'), '--html', file('local.html'));
  makeConformReport(file('kit'), file('conform.html'));
  const [compare, local, trace, conform] = ['compare', 'local', 'trace', 'conform'].map((name) =>
    url(`${name}.html`),
  );
  return { compare, local, trace, conform };
}

/** A run of two claims in which a backend answers all with what is expected, but for one trace.
 *  @param {string} kit @param {string} page */
function makeConformReport(kit, page) {
  baichuan(0, 'conform', '--emit', kit, '--max-length', '16', '--claims', 'layers,determinism');
  const model = path.join(kit, 'rope-32layers');
  cpSync(path.join(model, 'expected'), path.join(model, 'traces'), { recursive: true });
  const trace = path.join(model, 'traces/layers.safetensors');
  const broken = readFileSync(trace);
  breakProbabilities(broken);
  writeFileSync(trace, broken);
  baichuan(1, 'conform', '--traces', model, '--html', page, '--claims', 'layers,determinism');
}

/** @param {number} code @param {string[]} args */
function baichuan(code, ...args) {
  const options = /** @type {const} */ ({ cwd: ROOT, encoding: 'utf8' });
  const { status, stderr } = spawnSync(process.execPath, ['dist/cli/main.js', ...args], options);
  assert.equal(status, code, stderr);
}

/** Swaps two probabilities of the last query of layer 1, head 2, and changes the last logit.
 *  @param {Buffer} trace (overwritten) */
function breakProbabilities(trace) {
  const length = Number(trace.readBigUInt64LE(0));
  const header = JSON.parse(trace.subarray(8, 8 + length).toString());
  const { shape, data_offsets: probs } = header['model.layers.1.self_attn.probs'];
  const row = 8 + length + probs[0] + 4 * (3 * shape[1] - 1) * shape[2];
  const [first, second] = [trace.readFloatLE(row), trace.readFloatLE(row + 4)];
  trace.writeFloatLE(second, row);
  trace.writeFloatLE(first, row + 4);
  const { data_offsets: logits } = header['logits'];
  trace.writeFloatLE(1000, 8 + length + logits[1] - 4);
}
