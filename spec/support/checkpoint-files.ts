/** Checkpoints in memory made from the golden models: as they are, or damaged in one place. */

import { readFileSync } from 'node:fs';
import type { Golden } from './goldens.ts';
import { concatenated, type MemoryFolder, memoryFolder, safetensorsFile } from './model-files.ts';
import { orderedDict } from './pickle-code.ts';
import { tensorCode, torchFile, wholeView } from './torch-file.ts';

/** A tensor to be written, whatever it claims. */
export interface RawTensor {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

export type RawTensors = Map<string, RawTensor>;

/** The golden model's parameters as little-endian float32. */
export function rawTensors({ weights }: Golden): RawTensors {
  return new Map(
    [...weights].map(([name, { shape, values }]) => {
      const bytes = new Uint8Array(Float32Array.from(values).buffer);
      return [name, { dtype: 'F32', shape: [...shape], bytes }];
    }),
  );
}

/** One safetensors file of these tensors, in their order. */
export function rawSafetensors(tensors: RawTensors): Uint8Array {
  let end = 0;
  const header: [string, unknown][] = [];
  for (const [name, { dtype, shape, bytes }] of tensors) {
    header.push([name, { dtype, shape, data_offsets: [end, end + bytes.length] }]);
    end += bytes.length;
  }
  const data = concatenated([...tensors.values()].map(({ bytes }) => bytes));
  // Object.fromEntries defines keys such as __proto__ as its own, as JSON writes them.
  return safetensorsFile(Object.fromEntries(header), data);
}

/** The golden model's parameters as PyTorch saves them. */
export function torchCheckpoint(golden: Golden): Uint8Array {
  const tensors = [...rawTensors(golden)];
  const state = tensors.map(([name, { dtype, shape }], index) => {
    return [name, tensorCode(wholeView(dtype, String(index), shape))] as const;
  });
  const storages = Object.fromEntries(tensors.map(([, { bytes }], index) => [index, bytes]));
  return torchFile({ state: orderedDict(state), storages, byteOrder: 'little' }).bytes;
}

/** The config.json of a golden model, changed where `changes` says. */
export function configText({ name }: Golden, changes: Record<string, unknown> = {}): string {
  const url = new URL(`../../fixtures/goldens/${name}/config.json`, import.meta.url);
  return JSON.stringify({ ...JSON.parse(readFileSync(url, 'utf8')), ...changes });
}

/** A folder with one weights file, after `edit` has had its way with the tensors. */
export function checkpointFolder(
  golden: Golden,
  edit: (tensors: RawTensors) => void = () => {},
  config: Record<string, unknown> = {},
): MemoryFolder {
  const tensors = rawTensors(golden);
  edit(tensors);
  return memoryFolder({
    'config.json': configText(golden, config),
    'model.safetensors': rawSafetensors(tensors),
  });
}

/** A folder with its tensors dealt to two shards by `belongsToSecond`. */
export function shardedFolder(
  golden: Golden,
  belongsToSecond: (name: string) => boolean,
  edit: (tensors: RawTensors) => void = () => {},
): MemoryFolder {
  const all = rawTensors(golden);
  const index = new Map([...all.keys()].map((name) => [name, shardName(belongsToSecond(name))]));
  edit(all);
  const shard = (second: boolean) =>
    rawSafetensors(new Map([...all].filter(([name]) => belongsToSecond(name) === second)));
  return memoryFolder({
    'config.json': configText(golden),
    'model.safetensors.index.json': JSON.stringify({ weight_map: Object.fromEntries(index) }),
    [shardName(false)]: shard(false),
    [shardName(true)]: shard(true),
  });
}

function shardName(second: boolean): string {
  return `model-0000${second ? 2 : 1}-of-00002.safetensors`;
}
