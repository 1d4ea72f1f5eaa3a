/** Native llama.cpp, through node-llama-cpp, in a process of its own. */

import { serveContestant } from './child.ts';
import type { Contestant, Outcome, Task } from './contest.ts';

/** What is used of node-llama-cpp 3.22; it is installed for the bench only. */
interface NodeLlamaCpp {
  getLlama(options: object): Promise<{
    readonly systemInfo: string;
    readonly llamaCppRelease: { readonly release: string };
    loadModel(options: object): Promise<{
      createContext(options: object): Promise<{
        readonly currentThreads: number;
        getSequence(): LlamaSequence;
        dispose(): Promise<void>;
      }>;
      dispose(): Promise<void>;
    }>;
    dispose(): Promise<void>;
  }>;
}

type Input = number | [token: number, options: { generateNext: object }];

interface LlamaSequence {
  controlledEvaluate(
    input: Input[],
  ): Promise<({ next: { token?: number; logits?: ReadonlyMap<number, number> } } | undefined)[]>;
  clearHistory(): Promise<void>;
}

interface Options {
  /** URL of the module. */
  readonly module: string;
  readonly modelPath: string;
  readonly threads: number;
  readonly contextLength: number;
}

serveContestant(async (options: Options): Promise<Contestant> => {
  const { getLlama }: NodeLlamaCpp = await import(options.module);
  const { threads, contextLength, modelPath } = options;
  const llama = await getLlama({
    ...{ gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: 'error' },
    ...{ maxThreads: threads },
  });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0, checkTensors: false });
  const context = await model.createContext({ contextSize: contextLength, sequences: 1, threads });
  const sequence = context.getSequence();
  return {
    label: `node-llama-cpp (llama.cpp ${llama.llamaCppRelease.release}), ${threads} thread`,
    round: (task, wantsLogits) => round(sequence, task, wantsLogits),
    close: async () => {
      await context.dispose();
      await model.dispose();
      await llama.dispose();
    },
  };
});

/** The last token of every call asks for the next one, so that the head is computed as in use. */
async function round(sequence: LlamaSequence, task: Task, wantsLogits = false): Promise<Outcome> {
  await sequence.clearHistory();
  const asked = { generateNext: { token: true, logits: wantsLogits, options: { temperature: 0 } } };
  const evaluate = (ids: readonly number[], options = asked) =>
    sequence.controlledEvaluate([...ids.slice(0, -1), [ids[ids.length - 1], options]]);
  const start = performance.now();
  const results = await evaluate(task.prompt);
  const middle = performance.now();
  const plain = { generateNext: { ...asked.generateNext, logits: false } };
  for (const id of task.continuation) await evaluate([id], plain);
  const times = { promptMs: middle - start, decodeMs: performance.now() - middle };
  const logits = results[results.length - 1]?.next.logits;
  if (!wantsLogits || logits === undefined) return times;
  return { ...times, logits: Array.from({ length: logits.size }, (_, id) => logits.get(id) ?? 0) };
}
