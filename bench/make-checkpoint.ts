/** A checkpoint of full size in the published layout, with made-up weights: bfloat16 in PyTorch's
 *  `.bin`, of the 13B shape in three shards with an index (26.5 GB), of the 7B shape in one file of
 *  14 GB with the `inv_freq` that the published file holds.
 *
 *  Usage: npm run bench:make-checkpoint -- --out FOLDER [--model 13b | 7b]
 *         [--layers 40 --hidden 5120 --intermediate 13696 --heads 40 --vocabulary 64000] [--clean]
 *  --clean removes the folder. Weights are made while they are written. */

import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { orderedDict, pickle } from '../spec/support/pickle-code.ts';
import { tensorCode, wholeView } from '../spec/support/torch-file.ts';
import {
  createSyntheticModel,
  type SyntheticTensor,
  syntheticConfig,
} from './support/synthetic-model.ts';
import { zipStream } from './support/zip-stream.ts';

const PRESETS = {
  '13b': { layers: 40, hidden: 5120, intermediate: 13_696, heads: 40, vocabulary: 64_000 },
  '7b': { layers: 32, hidden: 4096, intermediate: 11_008, heads: 32, vocabulary: 64_000 },
};

/** Bytes of the first shards as published. */
const SHARD_BYTES = 9.97e9;
const BLOCK_BYTES = 16 * 2 ** 20;

/** Elements of `inv_freq`, half a head of the published shape. */
const INV_FREQ = 64;

/** What one file holds. */
interface Shard {
  readonly name: string;
  readonly tensors: readonly SyntheticTensor[];
}

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    model: { type: 'string', default: '13b' },
    layers: { type: 'string' },
    hidden: { type: 'string' },
    intermediate: { type: 'string' },
    heads: { type: 'string' },
    vocabulary: { type: 'string' },
    clean: { type: 'boolean', default: false },
  },
});

if (values.out === undefined || (values.model !== '13b' && values.model !== '7b')) {
  process.stderr.write('Give --out FOLDER, and --model 13b or 7b.\n');
  process.exit(2);
}
const folder = values.out;
const model = values.model;
if (values.clean) rmSync(folder, { recursive: true, force: true });
else await make();

async function make(): Promise<void> {
  const preset = PRESETS[model];
  const sizes = {
    layers: Number(values.layers ?? preset.layers),
    hidden: Number(values.hidden ?? preset.hidden),
    intermediate: Number(values.intermediate ?? preset.intermediate),
    heads: Number(values.heads ?? preset.heads),
    vocabulary: Number(values.vocabulary ?? preset.vocabulary),
    positions: model === '7b' ? ('rope' as const) : ('alibi' as const),
  };
  const synthetic = createSyntheticModel(sizes);
  const totalBytes = synthetic.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  mkdirSync(folder, { recursive: true });
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < totalBytes * 1.02) {
    throw new Error(`${folder} has no room for ${(totalBytes / 1e9).toFixed(1)} GB`);
  }
  writeFileSync(path.join(folder, 'config.json'), syntheticConfig(sizes));
  const shards = shardsOf(synthetic.tensors);
  const begin = performance.now();
  for (const shard of shards) await writeShard(shard, synthetic.fill, sizes.layers);
  if (model === '13b') writeIndex(shards, totalBytes);
  const seconds = (performance.now() - begin) / 1000;
  const rate = (totalBytes / seconds / 1e6).toFixed(0);
  process.stderr.write(`${(totalBytes / 1e9).toFixed(1)} GB in ${folder}, ${rate} MB/s\n`);
}

/** 7B is one file; of 13B a shard ends before it would be too large. */
function shardsOf(tensors: readonly SyntheticTensor[]): Shard[] {
  if (model === '7b') return [{ name: 'pytorch_model.bin', tensors }];
  const parts: SyntheticTensor[][] = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    if (bytes + tensor.byteLength > SHARD_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts[parts.length - 1].push(tensor);
    bytes += tensor.byteLength;
  }
  const digits = (number: number) => String(number).padStart(5, '0');
  const nameOf = (index: number) =>
    `pytorch_model-${digits(index + 1)}-of-${digits(parts.length)}.bin`;
  return parts.map((part, index) => ({ name: nameOf(index), tensors: part }));
}

async function writeShard(
  { name, tensors }: Shard,
  fill: (tensor: SyntheticTensor, byteOffset: number, target: Uint8Array) => void,
  layers: number,
): Promise<void> {
  const file = path.join(folder, name);
  process.stderr.write(`writing ${file}\n`);
  const handle = await open(file, 'w');
  try {
    const zip = zipStream(handle);
    const root = 'archive';
    await zip.begin(`${root}/data.pkl`);
    await zip.write(pickle(stateOf(tensors, layers)).bytes);
    await zip.end();
    for (const [index, tensor] of tensors.entries()) {
      await zip.begin(`${root}/data/${index}`);
      for (let at = 0; at < tensor.byteLength; at += BLOCK_BYTES) {
        const block = new Uint8Array(Math.min(BLOCK_BYTES, tensor.byteLength - at));
        fill(tensor, at, block);
        await zip.write(block);
      }
      await zip.end();
    }
    if (model === '7b') {
      await zip.begin(`${root}/data/${tensors.length}`);
      await zip.write(new Uint8Array(4 * INV_FREQ));
      await zip.end();
    }
    await zip.begin(`${root}/version`);
    await zip.write(new TextEncoder().encode('3\n'));
    await zip.end();
    await zip.finish();
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The state dict as it is pickled; all layers of 7B share one storage of inverse frequencies. */
function stateOf(tensors: readonly SyntheticTensor[], layers: number) {
  const entries = tensors.map(
    ({ name, shape }, index) =>
      [name, tensorCode(wholeView('BF16', String(index), shape))] as const,
  );
  const shared = tensorCode(wholeView('F32', String(tensors.length), [INV_FREQ]));
  const frequencies = Array.from(
    { length: model === '7b' ? layers : 0 },
    (_, layer) => [`model.layers.${layer}.self_attn.rotary_emb.inv_freq`, shared] as const,
  );
  return orderedDict([...entries, ...frequencies]);
}

function writeIndex(shards: readonly Shard[], totalBytes: number): void {
  const entries = shards.flatMap(({ name, tensors }) =>
    tensors.map((tensor) => [tensor.name, name]),
  );
  const index = { metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(entries) };
  const file = path.join(folder, 'pytorch_model.bin.index.json');
  writeFileSync(file, JSON.stringify(index));
}
