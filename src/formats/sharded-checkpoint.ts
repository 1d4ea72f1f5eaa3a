/** A checkpoint in several files, safetensors or PyTorch's, joined by its index. Every shard must
 *  be there before one is opened, every tensor in the shard that the index says, and no tensor in
 *  two of them. */
import { BaichuanError, quote } from '../errors.ts';
import { jsonPointer } from '../json.ts';
import type { ByteSource } from './byte-source.ts';
import type { Checkpoint, StoredTensor } from './checkpoint.ts';
import type { ShardIndex } from './shard-index.ts';
import { openWeightsFile } from './weights-file.ts';

/** What holds the shards. */
export interface ShardFolder {
  /** The names of the files that are there. */
  readonly present: ReadonlySet<string>;
  open(name: string): Promise<ByteSource>;
}

/** Names that a message lists. */
const MAX_LISTED = 20;

/** Opens all shards of an index, headers only.
 *  @param file the index, for messages
 *  @throws index-missing-shard, index-tensor, index-duplicate, and as `openWeightsFile` */
export async function openShards(
  index: ShardIndex,
  folder: ShardFolder,
  file: string,
): Promise<Checkpoint> {
  expectAllPresent(index, folder.present, file);
  const opened: [string, Checkpoint][] = [];
  const close = async () => {
    for (const [, shard] of opened) await shard.close();
  };
  try {
    for (const name of index.shards) {
      opened.push([name, await openWeightsFile(name, await folder.open(name))]);
    }
    expectAllTensors(index, new Map(opened), file);
    const { tensors, holders } = joinTensors(opened);
    const notices = [
      ...unlistedNotices(index, holders),
      ...totalSizeNotices(index, tensors, file),
      ...opened.flatMap(([, shard]) => shard.notices),
    ];
    return { tensors, metadata: joinMetadata(opened), notices, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function expectAllPresent(index: ShardIndex, present: ReadonlySet<string>, file: string): void {
  const missing = index.shards.filter((name) => !present.has(name));
  if (missing.length === 0) return;
  const total = index.shards.length;
  const listed = missing.slice(0, MAX_LISTED).join(', ');
  const more = missing.length > MAX_LISTED ? ` and ${missing.length - MAX_LISTED} more` : '';
  throw new BaichuanError('index-missing-shard', {
    file,
    where: '/weight_map',
    what: `${total - missing.length} of ${total} present; missing: ${listed}${more}.`,
    fix: 'Download the missing files into this folder.',
    expected: total,
    found: total - missing.length,
  });
}

function expectAllTensors(
  index: ShardIndex,
  shards: ReadonlyMap<string, Checkpoint>,
  file: string,
): void {
  for (const [name, shard] of index.weightMap) {
    if (shards.get(shard)?.tensors.has(name)) continue;
    const holder = [...shards].find(([, { tensors }]) => tensors.has(name))?.[0];
    const elsewhere = holder === undefined ? 'no shard holds it' : `it is in ${holder}`;
    throw new BaichuanError('index-tensor', {
      file,
      where: jsonPointer(['weight_map', name]),
      what: `${shard} holds no tensor ${quote(name)}; ${elsewhere}.`,
      fix: 'Download the index and the shards again, all of the same revision.',
      expected: shard,
      found: holder ?? 'nothing',
    });
  }
}

function joinTensors(opened: readonly [string, Checkpoint][]) {
  const tensors = new Map<string, StoredTensor>();
  const holders = new Map<string, string>();
  for (const [shard, checkpoint] of opened) {
    for (const [name, tensor] of checkpoint.tensors) {
      const holder = holders.get(name);
      if (holder !== undefined) throw duplicateError(tensor, holder, shard);
      tensors.set(name, tensor);
      holders.set(name, shard);
    }
  }
  return { tensors, holders };
}

function joinMetadata(opened: readonly [string, Checkpoint][]): Map<string, string> {
  const metadata = new Map<string, string>();
  for (const [, shard] of opened) {
    for (const [key, value] of shard.metadata) metadata.set(key, value);
  }
  return metadata;
}

function duplicateError(tensor: StoredTensor, first: string, second: string): BaichuanError {
  return new BaichuanError('index-duplicate', {
    file: tensor.file,
    where: `tensor ${quote(tensor.name)}`,
    what: `the tensor is in two shards, ${first} and ${second}.`,
    fix: 'Download all shards again, all of the same revision.',
    expected: first,
    found: second,
  });
}

function unlistedNotices(index: ShardIndex, holders: ReadonlyMap<string, string>): string[] {
  const unlisted = [...holders.keys()].filter((name) => !index.weightMap.has(name));
  if (unlisted.length === 0) return [];
  const first = quote(unlisted[0]);
  return [
    `The shards hold ${unlisted.length} tensors that the index does not list: ${first} first.`,
  ];
}

function totalSizeNotices(
  index: ShardIndex,
  tensors: ReadonlyMap<string, StoredTensor>,
  file: string,
): string[] {
  const { totalSize } = index;
  const total = [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (totalSize === undefined || totalSize === total) return [];
  return [`${file} says total_size ${totalSize}, but the tensors have ${total} bytes.`];
}
