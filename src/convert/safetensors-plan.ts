/** The files of a converted model in safetensors: which tensor goes into which shard, how large
 *  each is, and their index. Everything is known before the first weight is read.
 *
 *    model.safetensors                       where one file suffices, else
 *    model-00001-of-00003.safetensors …      and model.safetensors.index.json */

import type { StoredQuantization } from '../config-quantization.ts';
import { BaichuanError, quote } from '../errors.ts';
import type { ElementType } from '../formats/checkpoint.ts';
import {
  safetensorsHeader,
  storedByteLength,
  type TensorDescription,
} from '../formats/safetensors-writer.ts';
import { scaleName } from '../formats/weight-scales.ts';
import { GROUP_SIZE } from '../tensor/quantized.ts';
import type { TargetTensor } from './targets.ts';

/** Text in the head of every file; `format` is what transformers asks for. */
export const METADATA: ReadonlyMap<string, string> = new Map([
  ['format', 'pt'],
  ['producer', 'baichuan-ts'],
]);

const INDEX = 'model.safetensors.index.json';

/** A parameter and the tensors that it becomes. */
export interface StoredParts {
  readonly target: TargetTensor;
  readonly values: TensorDescription;
  readonly scales: TensorDescription | undefined;
}

/** A file that is written as it is. */
export interface SmallFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ShardPlan {
  readonly name: string;
  readonly parts: readonly StoredParts[];
  readonly byteLength: number;
}

export interface SafetensorsPlan {
  readonly shards: readonly ShardPlan[];
  /** The index, where there are several shards. */
  readonly others: readonly SmallFile[];
  /** Bytes of all files of weights. */
  readonly totalBytes: number;
}

/** Deals parameters to shards, in their order.
 *  @param maxShardBytes a parameter that is larger gets a shard of its own
 *  @throws option-unsupported */
export function planSafetensors(
  targets: readonly TargetTensor[],
  maxShardBytes: number,
): SafetensorsPlan {
  const groups: StoredParts[][] = [];
  let used = 0;
  for (const target of targets) {
    const parts = partsOf(target);
    const size = bytesOf(parts);
    if (groups.length === 0 || used + size > maxShardBytes) {
      groups.push([]);
      used = 0;
    }
    groups.at(-1)?.push(parts);
    used += size;
  }
  const shards = groups.map((parts, index): ShardPlan => {
    const header = safetensorsHeader(parts.flatMap(descriptionsOf), METADATA);
    const byteLength = parts.reduce((sum, part) => sum + bytesOf(part), header.length);
    return { name: shardName(index, groups.length), parts, byteLength };
  });
  const others = shards.length === 1 ? [] : [{ name: INDEX, bytes: indexOf(shards) }];
  const indexBytes = others.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const totalBytes = shards.reduce((sum, { byteLength }) => sum + byteLength, indexBytes);
  return { shards, others, totalBytes };
}

function shardName(index: number, count: number): string {
  if (count === 1) return 'model.safetensors';
  const [number, total] = [index + 1, count].map((value) => String(value).padStart(5, '0'));
  return `model-${number}-of-${total}.safetensors`;
}

/** The tensors of a parameter, in the order in which they are written. */
export function descriptionsOf({ values, scales }: StoredParts): TensorDescription[] {
  return scales === undefined ? [values] : [values, scales];
}

function bytesOf(parts: StoredParts): number {
  return descriptionsOf(parts).reduce((sum, tensor) => sum + storedByteLength(tensor), 0);
}

function partsOf(target: TargetTensor): StoredParts {
  const { name, shape, dtype } = target;
  const [rows, columns = 0] = shape;
  const scaled = (values: ElementType, scales: ElementType, scaleShape: number[]): StoredParts => {
    const width = values === 'U8' ? columns / 2 : columns;
    if (!Number.isInteger(width)) throw oddError(name, columns);
    return {
      target,
      values: { name, dtype: values, shape: [rows, width] },
      scales: { name: scaleName(name), dtype: scales, shape: scaleShape },
    };
  };
  const groups = [rows, Math.ceil(columns / GROUP_SIZE)];
  switch (dtype) {
    case 'Q8_0':
      return scaled('I8', 'F16', groups);
    case 'Q4_0':
      return scaled('U8', 'F16', groups);
    case 'I8':
      return scaled('I8', 'F32', [rows]);
    case 'I4':
      return scaled('U8', 'F32', [rows]);
    default:
      return { target, values: { name, dtype, shape }, scales: undefined };
  }
}

function oddError(name: string, columns: number): BaichuanError {
  return new BaichuanError('option-unsupported', {
    where: `tensor ${quote(name)}`,
    what: `rows of ${columns} weights cannot be stored in four bits: two of them share a byte.`,
    fix: 'Use --quantize int8 for this model.',
    found: columns,
  });
}

function indexOf(shards: readonly ShardPlan[]): Uint8Array {
  const weightMap: Record<string, string> = {};
  let totalSize = 0;
  for (const { name, parts } of shards) {
    for (const tensor of parts.flatMap(descriptionsOf)) {
      weightMap[tensor.name] = name;
      totalSize += storedByteLength(tensor);
    }
  }
  const index = { metadata: { total_size: totalSize }, weight_map: weightMap };
  return new TextEncoder().encode(`${JSON.stringify(index, null, 2)}\n`);
}

/** What `quantization_config` says about converted parameters: the type of the linear layers. */
export function quantizationOf(targets: readonly TargetTensor[]): StoredQuantization | undefined {
  const types = new Set(targets.filter(({ role }) => role === 'linear').map(({ dtype }) => dtype));
  if (types.size !== 1) return undefined;
  const [type] = types;
  if (type === 'Q8_0') return 'int8';
  if (type === 'Q4_0') return 'int4';
  if (type === 'I8') return 'int8-channel';
  return type === 'I4' ? 'int4-channel' : undefined;
}
