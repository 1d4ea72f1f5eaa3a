/** Native llama.cpp as a backend: it encodes texts and gives the scores of every position asked. It
 *  shows no activations, and chats are built by whoever calls it. */

import { BaichuanError } from '../../errors.ts';
import { log } from '../../math/index.ts';
import type { Distribution } from '../../verify/distribution.ts';
import type { ConformBackend } from './claim.ts';

/** A model in native llama.cpp; the platform opens one. */
export interface NativeLlama {
  readonly name: string;
  encode(text: string): Promise<readonly number[]>;
  next(ids: readonly number[], positions: readonly number[]): Promise<readonly NativeRow[]>;
  close(): Promise<void>;
}

export interface NativeRow {
  readonly kind: 'scores' | 'probabilities';
  readonly values: readonly number[];
}

/** The backend around it. @param file name of the GGUF file, for the report */
export function llamaBackend(llama: NativeLlama, file: string): ConformBackend {
  return {
    name: `${file} in ${llama.name}`,
    encode: ({ text }) => llama.encode(text),
    chat: async () => undefined,
    trace: async () => undefined,
    async next({ ids, positions }) {
      const rows = await llama.next(ids, positions);
      if (rows.length === positions.length) return rows.map(distributionOf);
      throw new BaichuanError('backend-failed', {
        where: llama.name,
        what: `${positions.length} positions were asked for, and ${rows.length} answered.`,
        fix: 'Update node-llama-cpp.',
      });
    },
    why: (claim) =>
      claim === 'layers'
        ? 'llama.cpp shows no activations; record traces and use --traces'
        : 'chats are not built by llama.cpp itself',
    close: () => llama.close(),
  };
}

/** Probabilities below what float32 holds are 0, and their logarithm is −∞. */
function distributionOf({ kind, values }: NativeRow): Distribution {
  if (kind === 'scores') return { kind, values: Float64Array.from(values) };
  return { kind: 'logprobs', values: new Map(values.map((p, token) => [token, log(p)])) };
}
