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
import { type TensorToWrite, writeTorch } from '../src/index.ts';
import { SIZES_7B, SIZES_13B, sizeOptions, sizesOf } from './support/size-options.ts';
import {
  createSyntheticModel,
  type SyntheticTensor,
  syntheticConfig,
} from './support/synthetic-model.ts';

/** Bytes of the first shards as published. */
const SHARD_BYTES = 9.97e9;
const BLOCK_BYTES = 16 * 2 ** 20;

/** Elements of `inv_freq`, half a head of the published shape. */
const INV_FREQ = 64;

type Fill = (tensor: SyntheticTensor, byteOffset: number, target: Uint8Array) => void;

/** What one file holds. */
interface Shard {
  readonly name: string;
  readonly tensors: readonly SyntheticTensor[];
}

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    model: { type: 'string', default: '13b' },
    ...sizeOptions(),
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
  const sizes = {
    ...sizesOf(values, model === '7b' ? SIZES_7B : SIZES_13B),
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

async function writeShard({ name, tensors }: Shard, fill: Fill, layers: number): Promise<void> {
  const file = path.join(folder, name);
  process.stderr.write(`writing ${file}\n`);
  const handle = await open(file, 'w');
  try {
    const sink = { write: async (bytes: Uint8Array) => handle.writeFile(bytes) };
    const weights = tensors.map((tensor): TensorToWrite => {
      const { name, shape } = tensor;
      return { name, dtype: 'BF16', shape, chunks: blocksOf(tensor, fill) };
    });
    await writeTorch(sink, [...weights, ...frequencies(layers)]);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function* blocksOf(tensor: SyntheticTensor, fill: Fill): Generator<Uint8Array> {
  for (let at = 0; at < tensor.byteLength; at += BLOCK_BYTES) {
    const block = new Uint8Array(Math.min(BLOCK_BYTES, tensor.byteLength - at));
    fill(tensor, at, block);
    yield block;
  }
}

/** What the file of 7B holds beside its parameters. */
function frequencies(layers: number): TensorToWrite[] {
  return Array.from({ length: model === '7b' ? layers : 0 }, (_, layer) => ({
    name: `model.layers.${layer}.self_attn.rotary_emb.inv_freq`,
    dtype: 'F32',
    shape: [INV_FREQ],
    chunks: [new Uint8Array(4 * INV_FREQ)],
  }));
}

function writeIndex(shards: readonly Shard[], totalBytes: number): void {
  const entries = shards.flatMap(({ name, tensors }) =>
    tensors.map((tensor) => [tensor.name, name]),
  );
  const index = { metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(entries) };
  const file = path.join(folder, 'pytorch_model.bin.index.json');
  writeFileSync(file, JSON.stringify(index));
}
