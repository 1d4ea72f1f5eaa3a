/** Entry of the process that runs native llama.cpp: native code that aborts ends this process only.
 *  The module is the user's own installation, so its place is known at run time only. */

import process from 'node:process';
import type { LlamaAnswer, LlamaRequest, LlamaRow } from './node-llama-protocol.ts';

/** What is used of node-llama-cpp 3. */
interface NodeLlamaCpp {
  getLlama(options: object): Promise<{
    readonly llamaCppRelease?: { readonly release: string };
    loadModel(options: object): Promise<LlamaModel>;
  }>;
}

interface LlamaModel {
  tokenize(text: string, specialTokens: boolean): readonly number[];
  createContext(options: object): Promise<{ getSequence(): LlamaSequence }>;
}

interface LlamaSequence {
  clearHistory(): Promise<void>;
  controlledEvaluate(
    input: readonly (number | [token: number, options: object])[],
  ): Promise<readonly ({ readonly next: NextToken } | undefined)[]>;
}

interface NextToken {
  readonly logits?: ReadonlyMap<number, number>;
  readonly probabilities?: ReadonlyMap<number, number>;
}

interface Loaded {
  readonly model: LlamaModel;
  readonly sequence: LlamaSequence;
}

let loaded: Loaded | undefined;

process.on('message', (request: LlamaRequest) => {
  answer(request).then(send, (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    send({ id: request.id, kind: 'error', message });
  });
});
process.on('disconnect', () => process.exit(0));

function send(reply: LlamaAnswer): void {
  process.send?.(reply);
}

async function answer(request: LlamaRequest): Promise<LlamaAnswer> {
  const { id } = request;
  if (request.kind === 'load') return { id, kind: 'loaded', name: await load(request) };
  if (loaded === undefined) return { id, kind: 'error', message: 'no model is loaded' };
  const { model, sequence } = loaded;
  if (request.kind === 'encode') {
    // Control pieces that a text spells stay text, as in SentencePiece; user-defined ones do not.
    return { id, kind: 'ids', ids: Array.from(model.tokenize(request.text, false)) };
  }
  return { id, kind: 'rows', rows: await evaluate(sequence, request) };
}

/** One thread of float32 caches and no flash attention: as exact as llama.cpp is. */
async function load(request: Extract<LlamaRequest, { kind: 'load' }>): Promise<string> {
  const { module, modelPath, contextLength, threads } = request;
  const { getLlama }: NodeLlamaCpp = await import(module);
  const quiet = { progressLogs: false, logLevel: 'error' };
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, ...quiet });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext({
    ...{ contextSize: contextLength, sequences: 1, threads, flashAttention: false },
    ...{ experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32' },
  });
  loaded = { model, sequence: context.getSequence() };
  return `node-llama-cpp (llama.cpp ${llama.llamaCppRelease?.release ?? 'unknown'})`;
}

async function evaluate(
  sequence: LlamaSequence,
  { ids, positions }: Extract<LlamaRequest, { kind: 'next' }>,
): Promise<LlamaRow[]> {
  await sequence.clearHistory();
  const wanted = new Set(positions);
  const last = ids.length - 1;
  const asked = { generateNext: { logits: true, probabilities: true } };
  const input = ids.map((id, position): number | [number, object] =>
    wanted.has(position) || position === last ? [id, asked] : id,
  );
  const results = await sequence.controlledEvaluate(input);
  return positions.map((position) => rowOf(results[position]?.next));
}

function rowOf(next: NextToken | undefined): LlamaRow {
  const { logits, probabilities } = next ?? {};
  const kind = logits === undefined ? 'probabilities' : 'scores';
  const values: number[] = [];
  for (const [token, value] of logits ?? probabilities ?? []) values[token] = value;
  return { kind, values };
}
