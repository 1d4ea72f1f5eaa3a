/** What every contestant of a bench does, in a process of its own or in a page: load a model once,
 *  then run rounds of the same token ids whenever it is its turn. */

/** A prompt at once, then further tokens one by one, whatever the model would have chosen. */
export interface Task {
  readonly prompt: readonly number[];
  readonly continuation: readonly number[];
}

/** One round: how long the prompt and the tokens after it took. */
export interface Round {
  readonly promptMs: number;
  readonly decodeMs: number;
}

/** Logits at the end of a prompt (or values that differ from them by a constant), to see that all
 *  contestants compute the same model. */
export type Outcome = Round & { readonly logits?: readonly number[] };

/** A model that is loaded and waits for its turn. */
export interface Contestant {
  /** What ran, for the report: versions, builds, kernels. */
  readonly label: string;
  /** @param wantsLogits also gives the logits of the prompt's last token, if it can */
  round(task: Task, wantsLogits?: boolean): Promise<Outcome>;
  close(): Promise<void>;
}

/** How a contestant of this project loads. */
export interface OurOptions {
  readonly quantize: 'none' | 'int8' | 'int4';
  readonly threads: number;
  readonly simd: 'auto' | 'baseline' | 'relaxed';
  readonly contextLength: number;
  readonly kvCache?: 'f32' | 'int8';
}

/** Special tokens and bytes come first in a vocabulary. */
const FIRST_PIECE = 259;

/** Token ids without a pattern, the same at every call, all of them pieces.
 *  @param count how many @param vocabulary more than 259 */
export function tokenIds(count: number, vocabulary: number): number[] {
  let state = 12_345;
  return Array.from({ length: count }, () => {
    // The generator of Park and Miller (1988); products stay under 2^53.
    state = (state * 48_271) % 2_147_483_647;
    return FIRST_PIECE + (state % (vocabulary - FIRST_PIECE));
  });
}

/** Of unrelated models the correlation of V logits is 0 ± 1/√V; what 4 bits do leaves far more. */
const LEAST_CORRELATION = 0.5;

/** Sees that two contestants compute the same model.
 *  @returns the correlation of their logits at the end of the prompt
 *  @throws Error when they do not */
export async function expectSameModel(a: Contestant, b: Contestant, task: Task): Promise<number> {
  const once = { ...task, continuation: [] };
  const [x, y] = [await a.round(once, true), await b.round(once, true)];
  const found = correlation(x.logits ?? [], y.logits ?? []);
  if (found >= LEAST_CORRELATION) return found;
  throw new Error(`${a.label} and ${b.label} compute different models: correlation ${found}`);
}

/** Pearson's correlation of two rows of logits. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const centred = (values: readonly number[]) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.map((value) => value - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  const dot = (p: readonly number[], q: readonly number[]) =>
    p.reduce((sum, value, index) => sum + value * q[index], 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}
