/** Models in several GGUF files, `NAME-00001-of-00003.gguf` and so on. The first has the metadata;
 *  each says which it is. Source: llama.cpp, tools/gguf-split, LLM_KV_SPLIT_*. */
import { BaichuanError, quote } from '../../errors.ts';
import type { GgufHeader } from './header.ts';
import type { PlacedTensor } from './layout.ts';
import { MAX_SPLITS } from './limits.ts';
import type { GgufMetadata } from './values.ts';

const SPLIT_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i;

const FIX = 'Download every file of the model again, all of the same revision.';

/** The files of the model that a file belongs to, by its name; only itself where it is whole. */
export function splitNames(name: string): string[] {
  const match = SPLIT_NAME.exec(name);
  if (match === null) return [name];
  const [, stem, , total] = match;
  const count = Number(total);
  if (count < 1 || count > MAX_SPLITS) return [name];
  const end = name.slice(name.length - '.gguf'.length);
  return Array.from(
    { length: count },
    (_, index) => `${stem}-${String(index + 1).padStart(5, '0')}-of-${total}${end}`,
  );
}

/** A header and the file it comes from. */
export interface OpenedHeader {
  readonly file: string;
  readonly header: GgufHeader;
}

/** Checks that files are the parts of one model, in order.
 *  @returns the metadata of the first, and every tensor with the number of its file
 *  @throws gguf-split, gguf-duplicate */
export function joinSplits(parts: readonly OpenedHeader[]): {
  metadata: GgufMetadata;
  tensors: Map<string, { tensor: PlacedTensor; part: number }>;
} {
  const [first] = parts;
  const tensors = new Map<string, { tensor: PlacedTensor; part: number }>();
  parts.forEach(({ file, header }, part) => {
    expectPart(header.metadata, part, parts.length, file);
    for (const tensor of header.tensors) {
      const other = tensors.get(tensor.name);
      if (other !== undefined) throw duplicateError(tensor, parts[other.part].file, file);
      tensors.set(tensor.name, { tensor, part });
    }
  });
  const total = numberOf(first.header.metadata, 'split.tensors.count');
  if (parts.length > 1 && total !== undefined && total !== tensors.size) {
    const what = `the model should have ${total} tensors, but its files hold ${tensors.size}.`;
    throw splitError(first.file, 'split.tensors.count', what);
  }
  return { metadata: first.header.metadata, tensors };
}

function expectPart(metadata: GgufMetadata, part: number, total: number, file: string): void {
  const count = numberOf(metadata, 'split.count');
  // llama-gguf-split writes 0 into what it has merged.
  if (total === 1 && (count === undefined || count === 0)) return;
  if (count !== total) {
    const found = count === undefined ? 'a whole model' : `one of ${count} files`;
    const what = `this is ${found}, where one of ${total} was opened.`;
    throw splitError(file, 'split.count', what);
  }
  const number = numberOf(metadata, 'split.no');
  if (number === part || (total === 1 && number === undefined)) return;
  const found = number === undefined ? 'does not say which file it is' : `is file ${number + 1}`;
  throw splitError(file, 'split.no', `it ${found}, where file ${part + 1} of ${total} belongs.`);
}

function numberOf(metadata: GgufMetadata, key: string): number | undefined {
  const entry = metadata.get(key);
  return entry?.type === 'array' || typeof entry?.value !== 'number' ? undefined : entry.value;
}

function splitError(file: string, where: string, what: string): BaichuanError {
  return new BaichuanError('gguf-split', { file, where, what, fix: FIX });
}

function duplicateError({ name }: PlacedTensor, first: string, file: string): BaichuanError {
  return new BaichuanError('gguf-duplicate', {
    file,
    where: `tensor ${quote(name)}`,
    what: `this tensor is in ${first} too.`,
    fix: FIX,
    expected: 1,
    found: 2,
  });
}
