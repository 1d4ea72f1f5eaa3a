/** What a trace says about its making, for whoever compares it: see `trace-source.ts`. */

import type { BaichuanConfig } from '../config.ts';
import { joinBytes } from '../formats/byte-source.ts';
import type { Checkpoint, StoredTensor } from '../formats/checkpoint.ts';
import { parameterShapes } from '../model/weights.ts';
import { readFloats } from './reference-model.ts';
import { configToJson } from './trace-model.ts';

/** How much of a parameter the fingerprint looks at: rows of a matrix, and elements of a row. */
const SAMPLED_ROWS = 4;
const SAMPLED_ELEMENTS = 64;

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

/** SHA-256 over the configuration and a sample of every parameter as float32: 256 elements spread
 *  over a vector, 64 over each of four rows of a matrix, the first and the last among them. The
 *  same numbers in another file or another format have the same fingerprint; models that were
 *  trained apart differ everywhere, but one changed number may go unseen. */
async function fingerprintOf(config: BaichuanConfig, checkpoint: Checkpoint): Promise<string> {
  const parts: Uint8Array[] = [new TextEncoder().encode(configToJson(config))];
  for (const name of parameterShapes(config).keys()) {
    const stored = checkpoint.tensors.get(name);
    if (stored === undefined) continue;
    parts.push(new Uint8Array((await sampleOf(stored)).buffer));
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', joinBytes(parts)));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function sampleOf(stored: StoredTensor): Promise<Float32Array> {
  const [rows, columns] = stored.shape;
  if (columns === undefined) {
    return elementsOf(await readFloats(stored, rows), SAMPLED_ROWS * SAMPLED_ELEMENTS);
  }
  const sample: number[] = [];
  for (const row of spread(rows, SAMPLED_ROWS)) {
    sample.push(...elementsOf(await readFloats(stored, 1, row), SAMPLED_ELEMENTS));
  }
  return Float32Array.from(sample);
}

function elementsOf(numbers: Float32Array, count: number): Float32Array {
  return Float32Array.from(spread(numbers.length, count), (index) => numbers[index]);
}

/** Indices from 0 to length − 1, evenly spread: all of them, or `count`. */
function spread(length: number, count: number): number[] {
  const taken = Math.min(length, count);
  const step = (length - 1) / Math.max(1, taken - 1);
  return Array.from({ length: taken }, (_, i) => Math.floor(i * step));
}
