/** What a whole run asks of a backend, decided by the model's sizes alone: the same model gives the
 *  same requests everywhere.
 *
 *  Prompts are pseudo-random ids (x ← 1664525·x + 1013904223 mod 2³², the upper half of it, from
 *  the first id that is no control piece), so that no two positions look alike and no language is
 *  needed. Lengths lie around the edges of what backends cut prompts and caches into: powers of two
 *  from 64 on, the model's context, and their neighbours. */

import { BaichuanError } from '../../errors.ts';
import {
  type ChatRequest,
  CLAIMS,
  type ClaimName,
  type ConformRequests,
  type PrefillRequest,
  type TextRequest,
} from './claim.ts';
import { CHATS, TEXTS } from './texts.ts';

/** Edges of chunks and blocks. */
const EDGES = [64, 128, 512, 2048, 4096];

/** Ids below are `<unk>`, `<s>` and `</s>`. */
const FIRST_PLAIN_ID = 3;

/** Tokens of the prompt whose every activation is wanted, more than one row of any vector unit. */
const TRACED_TOKENS = 19;
const GENERATED_PROMPT = 13;

/** Repetitions of one request that must be answered alike. */
const REPEATS = 3;
const REPEATED_TOKENS = 67;

export interface RequestOptions {
  readonly vocabSize: number;
  readonly modelMaxLength: number;
  /** The longest prompt; the model's context by default. */
  readonly maxLength?: number | undefined;
  /** Tokens that the model itself goes on with after a prompt, greedily. */
  readonly continuation: (ids: readonly number[]) => Promise<readonly number[]>;
  /** Claims to ask about; all by default. */
  readonly claims?: readonly ClaimName[] | undefined;
}

/** The lengths to try: 1, 2, and around every edge up to the longest.
 *  @param maxLength longest prompt @param context of the model, an edge of its own */
export function boundaryLengths(maxLength: number, context: number): number[] {
  const around = [...EDGES, context].flatMap((edge) => [edge - 1, edge, edge + 1]);
  const all = new Set([1, 2, ...around].filter((n) => n >= 1 && n <= Math.min(maxLength, context)));
  return [...all].sort((a, b) => a - b);
}

/** Pseudo-random ids of a prompt. */
export function promptIds(count: number, vocabSize: number, seed: number): number[] {
  const first = Math.min(FIRST_PLAIN_ID, vocabSize - 1);
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return first + (Math.floor(state / 65536) % (vocabSize - first));
  });
}

/** Everything to ask. @throws option-value */
export async function makeRequests(options: RequestOptions): Promise<ConformRequests> {
  const { vocabSize, modelMaxLength, maxLength = modelMaxLength, claims = CLAIMS } = options;
  expectLength(maxLength);
  const texts: readonly TextRequest[] = claims.includes('tokenizer') ? TEXTS : [];
  const chats: readonly ChatRequest[] = claims.includes('chat') ? CHATS : [];
  const longest = Math.min(maxLength, modelMaxLength);
  const ids = (count: number, seed: number) => promptIds(Math.min(count, longest), vocabSize, seed);
  const prefills: PrefillRequest[] = [];
  const add = (
    claim: PrefillRequest['claim'],
    id: string,
    prompt: readonly number[],
    positions = [prompt.length - 1],
  ) => {
    const taps = claim === 'layers' ? ['*'] : ['logits'];
    if (claims.includes(claim)) prefills.push({ id, claim, ids: prompt, positions, taps });
  };
  add('layers', 'layers', ids(TRACED_TOKENS, 1));
  const long = ids(longest, 2);
  for (const length of boundaryLengths(maxLength, modelMaxLength)) {
    add('logits', `logits-${length}`, long.slice(0, length));
  }
  if (claims.includes('generation')) {
    const prompt = ids(GENERATED_PROMPT, 3);
    const output = (await options.continuation(prompt)).slice(0, longest - prompt.length + 1);
    const all = [...prompt, ...output.slice(0, -1)];
    const positions = output.map((_, step) => prompt.length - 1 + step);
    add('generation', 'generation', all, positions);
  }
  for (let i = 1; i <= REPEATS; i++) add('determinism', `repeat-${i}`, ids(REPEATED_TOKENS, 4));
  return { texts, chats, prefills };
}

function expectLength(maxLength: number): void {
  if (Number.isInteger(maxLength) && maxLength >= 1) return;
  throw new BaichuanError('option-value', {
    where: '--max-length',
    what: `${maxLength} is no length of a prompt.`,
    fix: 'Give a whole number of tokens, 1 or more.',
    found: maxLength,
  });
}
