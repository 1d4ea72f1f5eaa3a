/** The reader of PyTorch's `.bin`, `.pt` and `.pth` files: a zip file of stored entries
 *
 *    ROOT/data.pkl      a pickle of the state dict, which describes the tensors
 *    ROOT/byteorder     `little` (since 2.1)
 *    ROOT/data/KEY      the bytes of a storage, which tensors are views of
 *    ROOT/version       a number, 3
 *
 *  Opening reads the directory, the pickle and the headers of the storages. No code of the file is
 *  run: the interpreter of the pickle builds descriptions, and knows four kinds of names.
 *  Source: PyTorch, torch/serialization.py, `_save` and `_load`. */
import { BaichuanError, quote } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { type Checkpoint, STORED_TYPE_BYTES, type StoredTensor } from '../checkpoint.ts';
import { type SlabSlot, stridedTensor } from '../strided-tensor.ts';
import { readZipDirectory, type ZipEntry } from '../zip/directory.ts';
import { NAME_DECODER } from '../zip/fields.ts';
import { expectStored, readDataOffsets, readEntry } from '../zip/local-header.ts';
import { readPickle } from './pickle-reader.ts';
import type { TorchStorage, TorchTensor } from './pickle-values.ts';
import { STATE_DICT_HOOKS } from './rebuild.ts';
import { storagesOf, tensorsOfStateDict } from './state-dict.ts';
import { expectZipHead, findPickle } from './torch-format.ts';

const MAX_PICKLE_BYTES = 64 * 2 ** 20;
const MAX_TEXT_BYTES = 16;

/** Versions of the archive that PyTorch reads: kMaxSupportedFileFormatVersion. */
const MAX_VERSION = 10;

export interface TorchOptions {
  /** Bytes of the zip directory read at once, and of strided tensors kept; for specs. */
  readonly blockBytes?: number | undefined;
}

/** Opens a PyTorch file, without reading any tensor.
 *  @param source the checkpoint owns it: it is closed with the checkpoint, or when opening fails
 *  @throws torch-…, pickle-…, zip-…, io-… */
export async function openTorch(
  source: ByteSource,
  options: TorchOptions = {},
): Promise<Checkpoint> {
  try {
    await expectZipHead(source);
    const directory = await readZipDirectory(source, options);
    const { root, pickle } = findPickle(directory, source.name);
    for (const entry of directory.values()) expectStored(entry, source.name);
    await expectVersion(source, directory.get(`${root}/version`), root);
    await expectLittleEndian(source, directory.get(`${root}/byteorder`));
    const tensors = await readStateDict(source, pickle);
    const storages = storagesOf(tensors, source.name);
    const offsets = await locateStorages(source, { directory, root }, storages);
    const slot: SlabSlot = {};
    const stored = new Map<string, StoredTensor>();
    for (const [name, tensor] of tensors) {
      const begin = offsets.get(tensor.storage.key) ?? 0;
      stored.set(name, storedTensor(source, { name, tensor, begin, slot }, options));
    }
    return { tensors: stored, metadata: new Map(), notices: [], close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** The version is no secret of the tensors, but PyTorch reads no file without it. */
async function expectVersion(
  source: ByteSource,
  entry: ZipEntry | undefined,
  root: string,
): Promise<void> {
  const text = entry === undefined ? undefined : await readText(source, entry);
  const version = /^[0-9]{1,4}[ \t\r\n]*$/.test(text ?? '') ? Number(text) : 0;
  if (version >= 1 && version <= MAX_VERSION) return;
  const found = text === undefined ? 'nothing' : quote(text);
  throw new BaichuanError('torch-version', {
    file: source.name,
    where: `entry ${quote(`${root}/version`)}`,
    what: `the version of the archive is ${found}, where 1 to ${MAX_VERSION} are read.`,
    fix: 'Download the file again, or save the state dict anew with torch.save.',
    expected: `1 … ${MAX_VERSION}`,
    found,
  });
}

async function readText(source: ByteSource, entry: ZipEntry): Promise<string> {
  return NAME_DECODER.decode(await readEntry(source, entry, MAX_TEXT_BYTES));
}

async function expectLittleEndian(source: ByteSource, entry: ZipEntry | undefined): Promise<void> {
  if (entry === undefined) return;
  const order = await readText(source, entry);
  if (order === 'little') return;
  throw new BaichuanError('torch-endian', {
    file: source.name,
    where: `entry ${quote(entry.name)}`,
    what: `the tensors are stored in the byte order ${quote(order)}, where only little is read.`,
    fix: 'Save the state dict anew on a little-endian machine, such as any x86 or ARM one.',
    expected: 'little',
    found: quote(order),
  });
}

async function readStateDict(
  source: ByteSource,
  pickle: ZipEntry,
): Promise<Map<string, TorchTensor>> {
  const bytes = await readEntry(source, pickle, MAX_PICKLE_BYTES);
  return tensorsOfStateDict(readPickle(bytes, source.name, STATE_DICT_HOOKS), source.name);
}

/** Finds the bytes of every storage.
 *  @returns key → offset in the file @throws torch-storage, zip-… */
async function locateStorages(
  source: ByteSource,
  { directory, root }: { directory: ReadonlyMap<string, ZipEntry>; root: string },
  storages: ReadonlyMap<string, TorchStorage>,
): Promise<Map<string, number>> {
  const entries = new Map<string, ZipEntry>();
  for (const [key, { dtype, elements }] of storages) {
    const name = `${root}/data/${key}`;
    const entry = directory.get(name);
    const expected = elements * STORED_TYPE_BYTES[dtype];
    if (entry?.byteLength === expected) {
      entries.set(key, entry);
      continue;
    }
    const found = entry?.byteLength ?? 'nothing';
    const has = entry === undefined ? 'the archive has no such entry' : `the entry has ${found}`;
    throw new BaichuanError('torch-storage', {
      file: source.name,
      where: `entry ${quote(name)}`,
      what: `${elements} elements of ${dtype} need ${expected} bytes, but ${has}.`,
      fix: 'Download the file again and compare its sha256, or save it anew.',
      expected,
      found,
    });
  }
  const offsets = await readDataOffsets(source, [...entries.values()]);
  return new Map([...entries].map(([key, entry]) => [key, offsets.get(entry) ?? 0]));
}

function storedTensor(
  source: ByteSource,
  view: { name: string; tensor: TorchTensor; begin: number; slot: SlabSlot },
  { blockBytes }: TorchOptions,
): StoredTensor {
  const { name, tensor, begin, slot } = view;
  const { shape, strides, offset, storage } = tensor;
  const read = (at: number, byteLength: number) => source.read(begin + at, byteLength);
  const place = { name, file: source.name, dtype: storage.dtype };
  const layout = { ...place, shape, strides, offset, read, slot };
  return stridedTensor(layout, { slabBytes: blockBytes });
}
