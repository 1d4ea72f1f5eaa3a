/** This project as a contestant, in Node and in a page alike. */

import { type Folder, type LanguageModel, load } from '../../src/index.ts';
import type { Contestant, OurOptions, Outcome, Task } from './contest.ts';

/** Loads a model.
 *  @param source by default the embedded one @param runtime what it runs in, for the report */
export async function loadOurs(
  source: string | Folder | undefined,
  options: OurOptions,
  runtime: string,
): Promise<Contestant> {
  const model = await load(source, options);
  return {
    label: [
      `baichuan-ts, ${model.kernels} kernels, ${model.simd} SIMD`,
      ...[`${model.threads} thread${model.threads === 1 ? '' : 's'}`, runtime],
    ].join(', '),
    round: (task, wantsLogits) => round(model, task, wantsLogits),
    close: () => model.close(),
  };
}

async function round(model: LanguageModel, task: Task, wantsLogits = false): Promise<Outcome> {
  const sequence = model.openSequence();
  try {
    const start = performance.now();
    const logits = await sequence.append(task.prompt);
    const middle = performance.now();
    for (const id of task.continuation) await sequence.append([id]);
    const times = { promptMs: middle - start, decodeMs: performance.now() - middle };
    return wantsLogits ? { ...times, logits: [...logits] } : times;
  } finally {
    sequence.close();
  }
}
