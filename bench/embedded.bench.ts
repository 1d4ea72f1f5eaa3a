/** The embedded model: time to load, prompt and decoding speed, and how many works it knows.
 *
 *  Usage: npm run bench:embedded [-- N], N works with a random other pair as the shot (default 80).
 *  Prints the runtime, medians and their spread. */

import { readFileSync } from 'node:fs';
import { complete, load } from '../src/index.ts';

const WORKS = new URL('../fixtures/embedded/works.tsv', import.meta.url);
const PROMPT = '登鹳雀楼->王之涣\n夜雨寄北->';
const REPEATS = 9;

interface Work {
  readonly work: string;
  readonly author: string;
}

function readWorks(): Work[] {
  const lines = readFileSync(WORKS, 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [, work, author] = line.split('\t');
    return { work, author };
  });
}

/** Median, least and greatest of several runs. */
function summary(values: number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const digits = sorted[0] < 10 ? 2 : 0;
  const [median, least, greatest] = [
    sorted[Math.floor(sorted.length / 2)],
    sorted[0],
    sorted.at(-1),
  ];
  return `${median.toFixed(digits)} (${least.toFixed(digits)} … ${greatest?.toFixed(digits)})`;
}

/** Milliseconds of one call. */
async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

const loads: number[] = [];
for (let i = 0; i < REPEATS; i++) loads.push(await timed(async () => (await load()).close()));

const model = await load();
const tokenizer = await model.tokenizer();
const ids = tokenizer.encode(PROMPT);
const [prompts, decodes]: number[][] = [[], []];
for (let i = 0; i < REPEATS; i++) {
  const sequence = model.openSequence();
  prompts.push((ids.length * 1000) / (await timed(() => sequence.append(ids))));
  const decode = async () => {
    for (let step = 0; step < 64; step++) await sequence.append([step]);
  };
  decodes.push((64 * 1000) / (await timed(decode)));
  sequence.close();
}

const works = readWorks();
const count = Math.min(works.length, Number(process.argv[2] ?? 80));
let known = 0;
for (let i = 0; i < count; i++) {
  const { work, author } = works[Math.floor((i * works.length) / count)];
  const shot = works[(i * 7919 + 13) % works.length];
  const prompt = `${shot.work}->${shot.author}\n${work}->`;
  const { text } = await complete(model, prompt, { maxNewTokens: 64, repetitionPenalty: 1.1 });
  if (text?.split('\n')[0] === author) known += 1;
}

console.log(`${process.release.name} ${process.version}, ${model.kernels} kernels`);
console.log(`load            ${summary(loads)} ms`);
console.log(`prompt of ${ids.length}    ${summary(prompts)} tokens/s`);
console.log(`decoding        ${summary(decodes)} tokens/s`);
console.log(`known           ${known} of ${count} works with another pair as the shot`);
