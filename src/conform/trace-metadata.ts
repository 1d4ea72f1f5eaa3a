/** What a trace says about its making, for whoever compares it: see `trace-source.ts`. */

import type { BaichuanConfig } from '../config.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { parameterShapes } from '../model/weights.ts';
import { readFloats } from './reference-model.ts';
import { configToJson } from './trace-model.ts';

/** Elements of every parameter that the fingerprint looks at. */
const SAMPLED = 64;

/** Metadata of a trace: the model's configuration and fingerprint, and the prompt.
 *  @param ids of the prompt @returns entries for the file's metadata @throws io-… */
export async function traceMetadata(
  config: BaichuanConfig,
  checkpoint: Checkpoint,
  ids: readonly number[],
): Promise<Map<string, string>> {
  return new Map([
    ['config', configToJson(config)],
    ['fingerprint', await fingerprintOf(config, checkpoint)],
    ['prompt_ids', JSON.stringify(ids)],
  ]);
}

/** SHA-256 over the configuration and the first numbers of every parameter as float32, so that the
 *  same numbers in another file or another format have the same fingerprint. */
async function fingerprintOf(config: BaichuanConfig, checkpoint: Checkpoint): Promise<string> {
  const parts: Uint8Array[] = [new TextEncoder().encode(configToJson(config))];
  for (const name of parameterShapes(config).keys()) {
    const stored = checkpoint.tensors.get(name);
    if (stored === undefined) continue;
    const row = await readFloats(stored, 1);
    parts.push(new Uint8Array(row.slice(0, SAMPLED).buffer));
  }
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((start, part) => {
    all.set(part, start);
    return start + part.length;
  }, 0);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
