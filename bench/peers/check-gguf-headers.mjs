/** Whether an independent reader finds in our GGUF files what we wrote: every key and value, every
 *  tensor with its axes, type and place, and the place of the data.
 *
 *  Needs @huggingface/gguf 0.4 (`npm i --ignore-scripts @huggingface/gguf@0.4.6` in this folder, or
 *  in the folder that PEER_MODULES names). Run: npx tsx bench/peers/check-gguf-headers.mjs */
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { baichuanMetadata, exportGguf } from '../../src/index.ts';
import { checkpointOf, randomWeights, shapeOf, vocabularyOf } from './gguf-models.mjs';

const require = createRequire(
  pathToFileURL(path.join(process.env.PEER_MODULES ?? import.meta.dirname, 'x.js')),
);
const { gguf } = await import(pathToFileURL(require.resolve('@huggingface/gguf')).href);

const TYPES = { F32: 0, F16: 1, BF16: 30, Q8_0: 8, Q4_0: 2 };
const BLOCK_BYTES = { F32: [1, 4], F16: [1, 2], BF16: [1, 2], Q8_0: [32, 34], Q4_0: [32, 18] };

/** A value as that reader gives it: texts, and numbers of 64 bits as bigint. */
function plainValue(entry) {
  if (entry.type !== 'array') return entry.value;
  if (entry.of !== 'string') return [...entry.items];
  const { count, bytes, starts, ends } = entry.items;
  const decoder = new TextDecoder();
  return Array.from({ length: count }, (_, i) => decoder.decode(bytes.slice(starts[i], ends[i])));
}

/** The tensors of the file in order, from the shapes of the published checkpoint alone. */
function expectedInfos(
  { numHiddenLayers, hiddenSize: C, intermediateSize: F, vocabSize: V },
  type,
) {
  const list = [['token_embd', [C, V]]];
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    const at = `blk.${layer}`;
    for (const part of ['q', 'k', 'v']) list.push([`${at}.attn_${part}`, [C, C]]);
    list.push([`${at}.attn_norm`, [C]], [`${at}.attn_output`, [C, C]], [`${at}.ffn_norm`, [C]]);
    list.push([`${at}.ffn_gate`, [C, F]], [`${at}.ffn_up`, [C, F]], [`${at}.ffn_down`, [F, C]]);
  }
  list.push(['output_norm', [C]], ['output', [C, V]]);
  let offset = 0;
  return list.map(([name, axes]) => {
    const own = axes.length === 1 ? 'F32' : type;
    const [elements, bytes] = BLOCK_BYTES[own];
    const info = { name: `${name}.weight`, axes, dtype: TYPES[own], offset };
    const byteLength = (axes.reduce((a, b) => a * b) / elements) * bytes;
    offset = Math.ceil((offset + byteLength) / 32) * 32;
    return info;
  });
}

const folder = mkdtempSync(path.join(tmpdir(), 'check-gguf-headers-'));
let failures = 0;
try {
  const sizes = shapeOf(3, 4, 96);
  const vocabulary = vocabularyOf(sizes);
  const checkpoint = checkpointOf(randomWeights(sizes));
  for (const type of Object.keys(TYPES)) {
    const file = path.join(folder, `${type}.gguf`);
    const handle = await open(file, 'w');
    const sink = { write: async (bytes) => void (await handle.write(bytes)) };
    await exportGguf(sink, { checkpoint, sizes, vocabulary, name: 'headers' }, { type });
    const { size } = await handle.stat();
    await handle.close();
    const found = await gguf(file, { allowLocalFile: true });
    const written = baichuanMetadata(sizes, vocabulary, type, 'headers');
    const wrongKeys = [...written].filter(([key, entry]) => {
      const expected = plainValue(entry);
      const value = found.metadata[key];
      return !isDeepStrictEqual(value, key.endsWith('epsilon') ? Math.fround(expected) : expected);
    });
    const infos = found.tensorInfos.map(({ name, shape, dtype, offset }) => {
      return { name, axes: shape.map(Number), dtype, offset: Number(offset) };
    });
    const expected = expectedInfos(sizes, type);
    const last = expected.at(-1);
    const [elements, bytes] = BLOCK_BYTES[type];
    const lastBytes = ((last.axes[0] * last.axes[1]) / elements) * bytes;
    const end = Number(found.tensorDataOffset) + last.offset + lastBytes;
    const checks = {
      version: found.metadata.version === 3,
      keys: wrongKeys.length === 0 && found.metadata.kv_count === BigInt(written.size),
      tensors: isDeepStrictEqual(infos, expected),
      end: size - end >= 0 && size - end < 32,
    };
    const failed = Object.keys(checks).filter((name) => !checks[name]);
    failures += failed.length === 0 ? 0 : 1;
    const verdict = failed.length === 0 ? 'passed' : `FAILED (${failed.join(', ')})`;
    console.log(`${verdict}  ${type}: ${written.size} keys, ${infos.length} tensors`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(failures === 0 ? 'all passed' : `${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
