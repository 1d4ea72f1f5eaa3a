/** A model without weights, for specs of the loop around it, and a tokenizer of bytes. */

import type { TextTokenizer } from '../../src/generate/generate-text.ts';
import type { AppendOptions, ModelSequence } from '../../src/generate/sequence.ts';

export interface FakeSequence extends ModelSequence {
  /** Every id appended so far. */
  readonly ids: number[];
  /** Calls of `append`, as the ids they were given. */
  readonly calls: number[][];
  readonly closed: { count: number };
}

/** A sequence whose logits are a function of its ids. `beforeAppend` runs inside each step. */
export function fakeSequence(
  vocabSize: number,
  logitsAfter: (ids: readonly number[]) => ArrayLike<number>,
  beforeAppend: (options: AppendOptions, call: number) => Promise<void> = async () => {},
): FakeSequence {
  const ids: number[] = [];
  const calls: number[][] = [];
  const closed = { count: 0 };
  return {
    vocabSize,
    ids,
    calls,
    closed,
    get length() {
      return ids.length;
    },
    async append(tokenIds, options = {}) {
      if (closed.count > 0) throw new Error('append after close');
      calls.push([...tokenIds]);
      await beforeAppend(options, calls.length);
      ids.push(...tokenIds);
      return Float32Array.from(logitsAfter(ids));
    },
    close() {
      closed.count += 1;
    },
  };
}

/** A sequence that answers with a script, whatever the prompt: the n-th new token is `script[n]`,
 *  by a wide margin. After its end comes token 0. */
export function scriptedSequence(
  vocabSize: number,
  script: readonly number[],
  beforeAppend?: (options: AppendOptions, call: number) => Promise<void>,
): FakeSequence {
  let step = 0;
  return fakeSequence(vocabSize, () => oneHigh(vocabSize, script[step++] ?? 0), beforeAppend);
}

/** Logits `[V]` of 0 but for one of 20. */
export function oneHigh(vocabSize: number, id: number): Float32Array {
  const logits = new Float32Array(vocabSize);
  logits[id] = 20;
  return logits;
}

/** A tokenizer whose piece of id i is `pieces[i]`: text, or bytes that may be half a character. */
export function byteTokenizer(pieces: readonly (string | readonly number[])[]): TextTokenizer {
  const encoder = new TextEncoder();
  return {
    streamDecoder() {
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      return {
        push(id) {
          const piece = pieces[id];
          const bytes = typeof piece === 'string' ? encoder.encode(piece) : Uint8Array.from(piece);
          return decoder.decode(bytes, { stream: true });
        },
        end: () => decoder.decode(),
      };
    },
  };
}
