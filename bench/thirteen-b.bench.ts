/** The full 13B shape with int4 weights and its whole context in use: resident memory and speed,
 *  beside native llama.cpp with the same weights in Q4_0, one after the other, one thread each.
 *
 *  Usage: npm run bench:13b -- [--json] [--only ours,native,chromium] [--threads 1] [--new 64]
 *         [--layers 40 --hidden 5120 --intermediate 13696 --heads 40 --vocabulary 64000]
 *         [--context 4096] [--short] [--checkpoint FOLDER]
 *  Needs GNU time (Debian's `time`), what `npm run bench:peers` needs, 16 GB of free memory for
 *  native llama.cpp and 8 GB of disk, which are given back. Our weights are made up while they are
 *  loaded; --checkpoint loads ours from files instead, those of `bench:make-checkpoint` for
 *  instance. --short leaves out what writes the whole context, four fifths of the time; resident
 *  memory is then too small. The part `chromium` only sees whether a page loads and generates. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildLibrary, bundleChild, bundlePage } from './peers/bundle.ts';
import { startChromium } from './peers/chromium.ts';
import { type Contestant, type OurOptions, type Task, tokenIds } from './peers/contest.ts';
import { CACHE, installPeers, nodeBinary, peerModule } from './peers/install.ts';
import { startContestant } from './peers/process.ts';
import { progress } from './peers/rounds.ts';
import { SIZES_13B, sizeOptions, sizesOf } from './support/size-options.ts';
import { removeSyntheticGguf, writeSyntheticGguf } from './support/synthetic-gguf.ts';

/** KiB of `time -v`: the published int4 figure for a GPU, 9.7 · 10⁹ bytes. */
const MOST_RESIDENT = 9_472_656;

const [DECODE_GOAL, PREFILL_GOAL] = [0.9, 0.6];

/** A prompt at the beginning of the context, and tokens after it. */
const SHORT = { prompt: 256, tokens: 16 };

const TIME = '/usr/bin/time';

/** Tokens per second. */
interface Speed {
  /** Of the first 256 tokens, and of the tokens after them. */
  readonly shortPrompt: number;
  readonly shortDecode: number;
  /** Of a prompt that leaves room for the last tokens only, and of these. */
  readonly longPrompt: number;
  readonly longDecode: number;
}

type Result = Partial<Speed> & {
  readonly label: string;
  readonly loadSeconds?: number;
  readonly residentKiB?: number;
};

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: 'ours,native' },
    threads: { type: 'string', default: '1' },
    ...sizeOptions(),
    context: { type: 'string', default: '4096' },
    new: { type: 'string', default: '64' },
    short: { type: 'boolean', default: false },
    checkpoint: { type: 'string' },
  },
});

const sizes = sizesOf(values, SIZES_13B);
const [context, newTokens] = [Number(values.context), Number(values.new)];
const threads = Number(values.threads);
const load: OurOptions = { quantize: 'int4', threads, simd: 'auto', contextLength: context };
const parts = new Set(values.only.split(','));

installPeers();
buildLibrary();
const results: Record<string, Result> = {};
if (parts.has('ours')) results.ours = await runOurs();
if (parts.has('native')) results.native = await runNative();
if (parts.has('chromium')) results.chromium = await runChromium();
print();

function runOurs(): Promise<Result> {
  const source = values.checkpoint === undefined ? { sizes } : { path: values.checkpoint };
  const ours = { ...source, load };
  return withTime(async (wrapper) => {
    const file = await bundleChild('ours.child.ts');
    return startContestant({ file, execPath: nodeBinary('node-24'), wrapper }, ours);
  });
}

async function runNative(): Promise<Result> {
  const remove = () => removeSyntheticGguf(CACHE, sizes);
  process.once('exit', remove);
  const modelPath = await writeSyntheticGguf(CACHE, sizes);
  const module = peerModule('node-llama-cpp/dist/index.js');
  const options = { module, modelPath, threads, contextLength: context };
  try {
    return await withTime(async (wrapper) => {
      const file = await bundleChild('native.child.ts');
      return startContestant({ file, execPath: nodeBinary('node-24'), wrapper }, options);
    });
  } finally {
    remove();
  }
}

async function runChromium(): Promise<Result> {
  const browser = await startChromium(await bundlePage('page.ts'));
  try {
    const ours = await browser.load({ type: 'load', name: 'ours', sizes, options: load });
    return { label: ours.label, ...(await measure(ours)) };
  } finally {
    await browser.close();
  }
}

/** Runs a contestant under GNU time. */
async function withTime(
  start: (wrapper: readonly string[]) => Promise<Contestant>,
): Promise<Result> {
  const folder = mkdtempSync(path.join(tmpdir(), 'baichuan-time-'));
  const report = path.join(folder, 'time.txt');
  try {
    const begin = performance.now();
    const contestant = await start([TIME, '-v', '-o', report]);
    const loadSeconds = (performance.now() - begin) / 1000;
    progress(`loaded in ${loadSeconds.toFixed(1)} s: ${contestant.label}`);
    const speed = await measure(contestant).finally(() => contestant.close());
    const [, resident] = /Maximum resident set size \(kbytes\): (\d+)/.exec(
      readFileSync(report, 'utf8'),
    ) ?? [undefined, Number.NaN];
    return { label: contestant.label, loadSeconds, ...speed, residentKiB: Number(resident) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A short round, which also warms up, then one that writes every position of the context. */
async function measure(contestant: Contestant): Promise<Partial<Speed>> {
  const ids = tokenIds(context, sizes.vocabulary);
  const shortPrompt = Math.min(SHORT.prompt, context / 2);
  const short = taskOf(ids.slice(0, shortPrompt + SHORT.tokens), shortPrompt);
  const long = taskOf(ids, context - newTokens);
  await contestant.round(taskOf(ids.slice(0, SHORT.tokens), SHORT.tokens / 2));
  const first = await contestant.round(short);
  progress(`${rate(short.prompt, first.promptMs).toPrecision(3)} tokens/s in the first prompt`);
  const shortSpeed = {
    shortPrompt: rate(short.prompt, first.promptMs),
    shortDecode: rate(short.continuation, first.decodeMs),
  };
  if (values.short) return shortSpeed;
  const second = await contestant.round(long);
  const speed = {
    ...shortSpeed,
    longPrompt: rate(long.prompt, second.promptMs),
    longDecode: rate(long.continuation, second.decodeMs),
  };
  progress(`${speed.longDecode.toPrecision(3)} tokens/s at the end of the context`);
  return speed;
}

function taskOf(ids: readonly number[], prompt: number): Task {
  return { prompt: ids.slice(0, prompt), continuation: ids.slice(prompt) };
}

function rate(ids: readonly number[], ms: number): number {
  return (ids.length * 1000) / ms;
}

function print(): void {
  const { ours, native } = results;
  const ratio = (key: keyof Speed) => {
    const [a, b] = [ours?.[key], native?.[key]];
    return a === undefined || b === undefined ? undefined : a / b;
  };
  const ratios = {
    decode_vs_native: ratio('longDecode'),
    prefill_vs_native: ratio('longPrompt'),
    short_decode_vs_native: ratio('shortDecode'),
    short_prefill_vs_native: ratio('shortPrompt'),
  };
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ ratios, results, sizes, context, newTokens })}\n`);
    return;
  }
  for (const result of Object.values(results)) process.stdout.write(describe(result));
  const goals = {
    ...{ decode_vs_native: DECODE_GOAL, prefill_vs_native: PREFILL_GOAL },
    ...{ short_decode_vs_native: DECODE_GOAL, short_prefill_vs_native: PREFILL_GOAL },
  };
  for (const [name, goal] of Object.entries(goals)) {
    const found = ratios[name as keyof typeof goals];
    if (found === undefined) continue;
    const verdict = found >= goal ? '' : '  MISSED';
    process.stdout.write(`${name}  ${found.toPrecision(3)}  goal ${goal}${verdict}\n`);
  }
  if (ours?.residentKiB !== undefined && !values.short) {
    const verdict = ours.residentKiB <= MOST_RESIDENT ? '' : '  MISSED';
    process.stdout.write(`resident  ${ours.residentKiB} KiB  goal ${MOST_RESIDENT}${verdict}\n`);
  }
}

function describe(result: Result): string {
  const { label, loadSeconds, residentKiB, ...speed } = result;
  const digits = (value: number) => value.toPrecision(3);
  const line = (name: string, prompt?: number, decode?: number) =>
    prompt === undefined || decode === undefined
      ? []
      : [`  ${name}   prompt ${digits(prompt)} tokens/s, new ${digits(decode)} tokens/s`];
  return [
    label,
    ...line(`first ${SHORT.prompt} positions`, speed.shortPrompt, speed.shortDecode),
    ...line(`all ${context} positions`, speed.longPrompt, speed.longDecode),
    ...(loadSeconds === undefined ? [] : [`  loaded in ${loadSeconds.toFixed(1)} s`]),
    ...(residentKiB === undefined ? [] : [`  resident ${residentKiB} KiB`]),
    '',
  ].join('\n');
}
