/** Writes a converted model as a Hugging Face folder of safetensors: config.json,
 *  generation_config.json and tokenizer.model beside the weights. */

import { throwIfAborted } from '../abort.ts';
import type { ByteSink } from '../formats/byte-source.ts';
import { type SafetensorsWriter, startSafetensors } from '../formats/safetensors-writer.ts';
import type { ParameterRows } from '../kernels/kernels.ts';
import { packPairs, splitBlocks } from '../tensor/quantized-layout.ts';
import {
  descriptionsOf,
  METADATA,
  type SafetensorsPlan,
  type ShardPlan,
  type SmallFile,
  type StoredParts,
} from './safetensors-plan.ts';
import { convertedBlocks, type PassOptions } from './write-rows.ts';

/** A file of a folder that is being written. */
export interface FolderFile extends ByteSink {
  /** Says that all its bytes are written. */
  finish(): Promise<void>;
}

/** A folder that takes files, one after the other. */
export interface FolderSink {
  create(name: string): Promise<FolderFile>;
}

/** Writes every file of a planned model.
 *  @param others beside the weights
 *  @throws aborted, io-…, model-overflow */
export async function writeSafetensorsFolder(
  folder: FolderSink,
  plan: SafetensorsPlan,
  others: readonly SmallFile[],
  options: PassOptions,
): Promise<void> {
  for (const { name, bytes } of others) {
    throwIfAborted(options.signal);
    const file = await folder.create(name);
    await file.write(bytes);
    await file.finish();
  }
  for (const shard of plan.shards) await writeShard(folder, shard, options);
}

async function writeShard(
  folder: FolderSink,
  { name, parts }: ShardPlan,
  options: PassOptions,
): Promise<void> {
  const file = await folder.create(name);
  const writer = await startSafetensors(file, parts.flatMap(descriptionsOf), METADATA);
  for (const part of parts) await writePart(writer, part, options);
  await writer.finish();
  await file.finish();
}

/** Values are written as they come, their scales after them: these wait in memory, a sixteenth of
 *  the values at most. */
async function writePart(
  writer: SafetensorsWriter,
  { target, values, scales }: StoredParts,
  options: PassOptions,
): Promise<void> {
  const columns = target.shape.at(-1) ?? 1;
  const waiting: Uint8Array[] = [];
  for await (const rows of convertedBlocks(target, options)) {
    const split = splitRows(rows, columns);
    await writer.append(values.name, split.values);
    if (split.scales !== undefined) waiting.push(split.scales);
  }
  if (scales === undefined) return;
  for (const bytes of waiting) await writer.append(scales.name, bytes);
}

function splitRows(
  { dtype, bytes, scales }: ParameterRows,
  columns: number,
): { values: Uint8Array; scales?: Uint8Array } {
  if (dtype === 'Q8_0' || dtype === 'Q4_0') return splitBlocks(dtype, bytes, columns);
  if (scales === undefined) return { values: bytes };
  const scaleBytes = new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
  return { values: dtype === 'I4' ? packPairs(bytes) : bytes, scales: scaleBytes };
}
