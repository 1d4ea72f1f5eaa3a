/** A model whose weights are holes of a sparse file: many megabytes to read, none to hold. */

import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '../../src/config.ts';
import { parameterShapes } from '../../src/model/weights.ts';
import { utf8 } from './model-files.ts';
import { configOf } from './synthetic-model.ts';

const TABLE_ROWS = 2 ** 19;

/** Makes the folder of a float32 model with a table of 134 MB and a head of the same size.
 *  @returns its path */
export function sparseModel(folder: string): string {
  const text = configOf({
    ...{ position: 'rope', vocabSize: TABLE_ROWS, hiddenSize: 64, intermediateSize: 96 },
    ...{ numHiddenLayers: 1, numAttentionHeads: 2 },
  });
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, shape] of parameterShapes(parseConfig(utf8(text)))) {
    const begin = end;
    end += 4 * shape.reduce((product, length) => product * length, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const json = utf8(JSON.stringify(header));
  const head = new Uint8Array(8 + json.length);
  new DataView(head.buffer).setBigUint64(0, BigInt(json.length), true);
  head.set(json, 8);
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), text);
  const weights = join(folder, 'model.safetensors');
  writeFileSync(weights, head);
  truncateSync(weights, head.length + end);
  return folder;
}
