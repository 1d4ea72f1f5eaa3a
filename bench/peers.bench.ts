/** This project beside its peers on this machine: native llama.cpp and wllama, with the same
 *  made-up model of 637 million weights, in the same run, taking turns.
 *
 *  Usage: npm run bench:peers -- [--json] [--only node,chromium,embedded] [--rounds 7]
 *         [--hidden 1024 --intermediate 2752 --heads 8 --vocabulary 64000 --layers 40] [--clean]
 *  Needs the network once, for bench/peers/package.json, and Debian's chromium or the one that
 *  CHROMIUM names. Progress goes to stderr; --json prints one JSON value on stdout. --clean only
 *  removes what the bench has installed and written. Other layers than 40 are another architecture
 *  for llama.cpp (RoPE), and are refused. */

import { rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { countParameters } from '../src/index.ts';
import { buildLibrary } from './peers/bundle.ts';
import { type Task, tokenIds } from './peers/contest.ts';
import { contestInChromium } from './peers/in-chromium.ts';
import { contestInNode, runEmbedded } from './peers/in-node.ts';
import { installPeers } from './peers/install.ts';
import { tokenCost } from './peers/limits.ts';
import { goals, type Measured, ratios, shares, table } from './peers/report.ts';
import { progress } from './peers/rounds.ts';
import { SIZES_637M, sizeOptions, sizesOf } from './support/size-options.ts';
import { createSyntheticModel, type SyntheticSizes } from './support/synthetic-model.ts';

/** A prompt and new tokens. */
const [PROMPT, NEW] = [256, 64];

/** The embedded model is small: many short rounds. Its vocabulary has 2000. */
const EMBEDDED = { prompt: 32, tokens: 256, vocabulary: 2000, rounds: 9 };

/** The whole ends within 20 minutes: a part begins no round after its share of them. */
const DEADLINE_MS = { node: 480_000, chromium: 900_000 };

const PARTS = ['node', 'embedded', 'chromium'];

// Ending by a signal ends children and browser too.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    clean: { type: 'boolean', default: false },
    only: { type: 'string', default: PARTS.join(',') },
    rounds: { type: 'string', default: '7' },
    ...sizeOptions(),
  },
});

if (values.clean) {
  rmSync(path.join(import.meta.dirname, 'peers/node_modules'), { recursive: true, force: true });
} else await main();

async function main(): Promise<void> {
  const sizes = sizesOf(values, SIZES_637M);
  if (sizes.layers !== 40) throw new Error('llama.cpp takes 40 layers for ALiBi, and no others');
  const begin = performance.now();
  const [load] = loadavg();
  if (load > 1) progress(`the machine is busy (load ${load.toFixed(1)}): figures will suffer`);
  installPeers();
  buildLibrary();
  const measured = await measure(sizes, new Set(values.only.split(',')));
  const model = createSyntheticModel(sizes);
  const share =
    measured.node && shares(measured.node, tokenCost(model), PROMPT + Math.floor(NEW / 2));
  if (!values.json) {
    process.stdout.write(table(measured, share));
    return;
  }
  const found = ratios(measured);
  const result = {
    ratios: found,
    goals: goals({ ...found, ...share }),
    shares: share,
    limits: measured.node?.limits,
    speeds: {
      ...measured.node?.speeds,
      chromium: measured.chromium?.speeds,
      embedded: measured.embedded,
    },
    correlations: {
      native: measured.node?.correlation,
      wllama: measured.chromium?.correlation,
    },
    model: { ...sizes, parameters: countParameters(model.config), ...tokenCost(model) },
    task: { prompt: PROMPT, new: NEW },
    machine: {
      cpu: cpus()[0]?.model,
      threads: availableParallelism(),
      memoryBytes: totalmem(),
      loadBefore: load,
      browser: measured.chromium?.browser,
    },
    seconds: (performance.now() - begin) / 1000,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

async function measure(sizes: SyntheticSizes, parts: ReadonlySet<string>): Promise<Measured> {
  const unknown = [...parts].filter((part) => !PARTS.includes(part));
  if (unknown.length > 0) throw new Error(`--only takes ${PARTS}, not ${unknown}`);
  const rounds = Number(values.rounds);
  const inNode = { rounds, deadlineMs: DEADLINE_MS.node };
  const inPage = { rounds: Math.min(rounds, 5), deadlineMs: DEADLINE_MS.chromium };
  const task = taskOf(PROMPT, NEW, sizes.vocabulary);
  const small = taskOf(EMBEDDED.prompt, EMBEDDED.tokens, EMBEDDED.vocabulary);
  return {
    ...(parts.has('node') ? { node: await contestInNode(sizes, task, inNode) } : {}),
    ...(parts.has('embedded') ? { embedded: await runEmbedded(small, EMBEDDED.rounds) } : {}),
    ...(parts.has('chromium') ? { chromium: await contestInChromium(sizes, task, inPage) } : {}),
  };
}

function taskOf(prompt: number, tokens: number, vocabulary: number): Task {
  const ids = tokenIds(prompt + tokens, vocabulary);
  return { prompt: ids.slice(0, prompt), continuation: ids.slice(prompt) };
}
