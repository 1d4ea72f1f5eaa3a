/** The contest in processes: native llama.cpp, and this project with one thread, with two, and in
 *  its baseline build on Node 20. */

import { writeSyntheticGguf } from '../support/synthetic-gguf.ts';
import type { SyntheticSizes } from '../support/synthetic-model.ts';
import { bundleChild } from './bundle.ts';
import { type Contestant, expectSameModel, type OurOptions, type Task } from './contest.ts';
import { CACHE, nodeBinary, peerModule } from './install.ts';
import { type Limits, startLimits } from './limits.ts';
import { startContestant } from './process.ts';
import { closeAll, progress, type Schedule, type Speed, takeTurns } from './rounds.ts';

/** One thread, int4, and room for the task and no more. */
export const OURS: OurOptions = { quantize: 'int4', threads: 1, simd: 'auto', contextLength: 512 };

type Name = 'native' | 'ours' | 'oursTwoThreads' | 'oursBaseline';

export interface NodeResult {
  readonly speeds: Readonly<Record<Name, Speed>>;
  readonly limits: Limits;
  /** Of our logits with those of native llama.cpp. */
  readonly correlation: number;
}

/** Runs it.
 *  @param schedule the rounds that count, after one that does not */
export async function contestInNode(
  sizes: SyntheticSizes,
  task: Task,
  { rounds, deadlineMs }: Schedule,
): Promise<NodeResult> {
  const modelPath = await writeSyntheticGguf(CACHE, sizes);
  const native = {
    file: await bundleChild('native.child.ts'),
    execPath: nodeBinary('node-24'),
  };
  const file = await bundleChild('ours.child.ts');
  const started: Contestant[] = [];
  const start = async (starting: Promise<Contestant>) => {
    const contestant = await starting;
    progress(`loaded: ${contestant.label}`);
    started.push(contestant);
    return contestant;
  };
  const ours = (node: 'node-24' | 'node-20', changes: Partial<OurOptions>) =>
    start(
      startContestant(
        { file, execPath: nodeBinary(node) },
        { sizes, load: { ...OURS, ...changes } },
      ),
    );
  const meter = await startLimits();
  try {
    const contestants = {
      native: await start(
        startContestant(native, {
          module: peerModule('node-llama-cpp/dist/index.js'),
          modelPath,
          ...{ threads: OURS.threads, contextLength: OURS.contextLength },
        }),
      ),
      ours: await ours('node-24', {}),
      oursTwoThreads: await ours('node-24', { threads: 2 }),
      oursBaseline: await ours('node-20', { simd: 'baseline' }),
    };
    const correlation = await expectSameModel(contestants.native, contestants.ours, task);
    const plan = { task, rounds, deadlineMs, warmUp: task };
    const speeds = await takeTurns(contestants, plan, () => meter.measure());
    return { speeds, limits: meter.limits(), correlation };
  } finally {
    await closeAll(started);
    await meter.close();
  }
}

/** Tokens per second of the embedded model, its engine included. */
export async function runEmbedded(task: Task, rounds: number): Promise<Speed> {
  const program = { file: await bundleChild('ours.child.ts'), execPath: nodeBinary('node-24') };
  const load: OurOptions = { ...OURS, quantize: 'none' };
  const embedded = await startContestant(program, { load });
  try {
    const { embedded: speed } = await takeTurns({ embedded }, { task, rounds, warmUp: task });
    return speed;
  } finally {
    await embedded.close();
  }
}
