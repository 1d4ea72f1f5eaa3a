/** `model.safetensors.index.json` or `pytorch_model.bin.index.json`: which shard holds which
 *  tensor.
 *
 *    { "metadata": { "total_size": 26529802240 }, "weight_map": { "TENSOR": "SHARD", … } }
 *
 *  A shard is a file beside the index. Its name is checked before anything is opened, because an
 *  index can name any path: transformers #46097, huggingface_hub #4935. */
import { type BaichuanError, quote } from '../errors.ts';
import { isJsonNumber, parseJson } from '../json.ts';
import { fieldError, fieldsOf, type JsonFields, takeObject, takeString } from '../json-fields.ts';
import { SNIFF_BYTES, sniffForeignFormat } from '../sniff.ts';

export interface ShardIndex {
  /** Tensor name → name of the shard file. */
  readonly weightMap: ReadonlyMap<string, string>;
  /** The names of all shards, in the order of their first tensor. */
  readonly shards: readonly string[];
  /** Bytes of all tensors, as the index has it; often wrong in the wild. */
  readonly totalSize: number | undefined;
}

/** The largest index that is read, in bytes. */
export const MAX_INDEX_BYTES = 64 * 2 ** 20;

const SHARD_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;

/** Parses a shard index and checks every name in it.
 *  @throws index-field, index-path, json-…, io-lfs, io-html, io-magic */
export function parseShardIndex(bytes: Uint8Array, file: string): ShardIndex {
  const foreign = sniffForeignFormat(bytes.subarray(0, SNIFF_BYTES), {
    file,
    expectedFormat: 'a shard index in JSON',
    size: bytes.length,
    emptyCode: 'json-syntax',
    acceptsJson: true,
  });
  if (foreign !== undefined) throw foreign;
  const json = parseJson(bytes, { file, maxBytes: MAX_INDEX_BYTES });
  const root = fieldsOf(json, { file, path: [], code: 'index-field' });
  const fields = takeObject(root, 'weight_map');
  const weightMap = new Map<string, string>();
  for (const name of fields.object.keys()) {
    const shard = takeString(fields, name);
    if (!SHARD_NAME.test(shard)) throw pathError(fields, name, shard);
    weightMap.set(name, shard);
  }
  if (weightMap.size === 0) throw emptyError(root);
  return { weightMap, shards: [...new Set(weightMap.values())], totalSize: totalSizeOf(root) };
}

function pathError(fields: JsonFields, name: string, shard: string): BaichuanError {
  const allowed = 'the name of a file beside the index (letters, digits, ".", "_", "-")';
  const found = quote(shard);
  return fieldError(
    fields,
    name,
    {
      what: `a shard must be ${allowed}, but ${found} was found; nothing was opened.`,
      fix: 'Do not use this checkpoint: its index names files outside its folder.',
      expected: allowed,
      found,
    },
    'index-path',
  );
}

function emptyError(root: JsonFields): BaichuanError {
  const what = 'the index names no tensor.';
  const fix = 'Download the index again.';
  return fieldError(root, 'weight_map', { what, fix, expected: 'tensors', found: 0 });
}

/** Some writers leave a float, a string or nothing: it is only compared, so it is only looked
 *  at. */
function totalSizeOf(root: JsonFields): number | undefined {
  const metadata = root.object.get('metadata');
  const size = metadata instanceof Map ? (metadata.get('total_size') ?? null) : null;
  const value = isJsonNumber(size) ? size.value : size;
  return typeof value === 'number' ? value : undefined;
}
