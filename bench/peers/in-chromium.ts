/** The contest in a page of headless Chromium: wllama 2 and 3, and this project, a thread each. */

import { writeSyntheticGguf } from '../support/synthetic-gguf.ts';
import type { SyntheticSizes } from '../support/synthetic-model.ts';
import { bundlePage } from './bundle.ts';
import { startChromium } from './chromium.ts';
import { type Contestant, expectSameModel, type Task } from './contest.ts';
import { OURS } from './in-node.ts';
import { CACHE } from './install.ts';
import { progress, type Schedule, type Speed, takeTurns } from './rounds.ts';

type Build = 'wllama-2' | 'wllama-3';

export interface ChromiumResult {
  readonly browser: string;
  readonly speeds: Readonly<Partial<Record<Build, Speed>> & { ours: Speed }>;
  /** Of our logits with those of wllama 2. */
  readonly correlation: number;
}

/** A build this much slower in both respects is not run at length. */
const CLEARLY = 1.25;

/** Runs it.
 *  @param schedule the rounds that count, after a short one that does not */
export async function contestInChromium(
  sizes: SyntheticSizes,
  task: Task,
  { rounds, deadlineMs }: Schedule,
): Promise<ChromiumResult> {
  const model = await writeSyntheticGguf(CACHE, sizes);
  const browser = await startChromium(await bundlePage('page.ts'), model);
  const load = async (request: Parameters<typeof browser.load>[0]) => {
    const contestant = await browser.load(request);
    progress(`loaded: ${contestant.label}`);
    return contestant;
  };
  try {
    const ours = await load({ type: 'load', name: 'ours', sizes, options: OURS });
    const { contextLength } = OURS;
    const peers: Record<Build, Contestant> = {
      'wllama-2': await load({ type: 'load', name: 'wllama-2', contextLength }),
      'wllama-3': await load({ type: 'load', name: 'wllama-3', contextLength }),
    };
    const short = shortened(task);
    const correlation = await expectSameModel(peers['wllama-2'], ours, short);
    const builds = await fasterBuilds(peers, short);
    const kept = Object.fromEntries(builds.map((build) => [build, peers[build]]));
    const plan = { task, rounds, deadlineMs, warmUp: short };
    const speeds = await takeTurns({ ours, ...kept }, plan);
    return { browser: browser.version, speeds, correlation };
  } finally {
    await browser.close();
  }
}

function shortened({ prompt, continuation }: Task): Task {
  return { prompt: prompt.slice(0, 32), continuation: continuation.slice(0, 8) };
}

/** Both, unless one is clearly slower. */
async function fasterBuilds(peers: Record<Build, Contestant>, task: Task): Promise<Build[]> {
  const speeds = await takeTurns(peers, { task, rounds: 2, warmUp: task });
  const isSlower = (build: Build, other: Build) =>
    speeds[build].prompt.median * CLEARLY < speeds[other].prompt.median &&
    speeds[build].decode.median * CLEARLY < speeds[other].decode.median;
  const builds: Build[] = ['wllama-2', 'wllama-3'];
  return builds.filter((build) => !builds.some((other) => isSlower(build, other)));
}
