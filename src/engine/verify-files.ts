/** The files of a model, read from first to last: sha256 of each, and the checksums that the zip
 *  files of PyTorch have for their entries. */

import { throwIfAborted } from '../abort.ts';
import { BaichuanError, quote } from '../errors.ts';
import type { ByteSource } from '../formats/byte-source.ts';
import type { Folder } from '../formats/hugging-face-folder.ts';
import { isTorchName } from '../formats/weights-file.ts';
import { checkEntries, type EntryChecker } from '../formats/zip/check-entries.ts';
import { fileNames } from './model-file-names.ts';

/** A hash that takes its input piece by piece; `node:crypto` has it, WebCrypto has not. */
export interface StreamingHash {
  update(bytes: Uint8Array): void;
  /** In hexadecimal digits. */
  digest(): string;
}

export interface VerifiedFile {
  /** In the folder of the model. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface FilePass {
  readonly createSha256: () => StreamingHash;
  readonly signal: AbortSignal | undefined;
  readonly report: (file: string, bytes: number) => void;
  /** sha256 by name, which the files should have. */
  readonly expected: ReadonlyMap<string, string>;
  /** Whether a file must be PyTorch's. */
  readonly isTorch: (name: string) => boolean;
}

const BLOCK_BYTES = 4 * 2 ** 20;

/** What a zip file begins with, even one without entries. */
const ZIP_MAGIC = 'PK';

/** The files of a model and what they have in bytes.
 *  @param named the file of the folder that the user named
 *  @param expected more names to look for, also where the folder does not list them: servers list
 *  the usual names only
 *  @throws io-… */
export async function listFiles(
  folder: Folder,
  named: string | undefined,
  expected: Iterable<string>,
): Promise<string[]> {
  const present = new Set(await folder.list());
  const names = new Set(fileNames([...present], named));
  for (const name of expected) {
    if (present.has(name) || (await isThere(folder, name))) names.add(name);
  }
  return [...names].sort();
}

async function isThere(folder: Folder, name: string): Promise<boolean> {
  try {
    await (await folder.open(name)).close();
    return true;
  } catch (error) {
    if (error instanceof BaichuanError && error.code === 'io-not-found') return false;
    throw error;
  }
}

/** What of these are files, and how many bytes they have in all: a folder may have any name.
 *  @throws io-… */
export async function measureFiles(
  folder: Folder,
  names: readonly string[],
): Promise<{ files: string[]; totalBytes: number }> {
  const files: string[] = [];
  let totalBytes = 0;
  for (const name of names) {
    try {
      const source = await folder.open(name);
      totalBytes += source.size;
      await source.close();
      files.push(name);
    } catch (error) {
      if (!(error instanceof BaichuanError) || error.code !== 'io-not-a-file') throw error;
    }
  }
  return { files, totalBytes };
}

/** Reads files whole.
 *  @param problems takes what is wrong with them @throws aborted, io-… */
export async function verifyFiles(
  folder: Folder,
  names: readonly string[],
  pass: FilePass,
  problems: BaichuanError[],
): Promise<VerifiedFile[]> {
  const files: VerifiedFile[] = [];
  for (const name of names) {
    const source = await folder.open(name);
    try {
      files.push(await verifyFile(name, source, pass, problems));
    } finally {
      await source.close();
    }
  }
  for (const [name, sha256] of pass.expected) {
    const found = files.find((file) => file.name === name)?.sha256;
    if (found !== sha256) problems.push(mismatch(`${folder.name}/${name}`, sha256, found));
  }
  return files;
}

async function verifyFile(
  name: string,
  source: ByteSource,
  { createSha256, signal, report, isTorch }: FilePass,
  problems: BaichuanError[],
): Promise<VerifiedFile> {
  const isChecked = isTorchName(name) && (isTorch(name) || (await isZip(source)));
  const checker = isChecked ? await entriesOf(source, problems) : undefined;
  const hash = createSha256();
  for (let at = 0; at < source.size; at += BLOCK_BYTES) {
    throwIfAborted(signal);
    const bytes = await source.read(at, Math.min(BLOCK_BYTES, source.size - at));
    hash.update(bytes);
    checker?.take(at, bytes);
    report(name, bytes.length);
  }
  problems.push(...(checker?.finish() ?? []));
  return { name, bytes: source.size, sha256: hash.digest() };
}

/** Other programs' .bin files may be anything: nothing is checked where one is no zip file. */
async function isZip(source: ByteSource): Promise<boolean> {
  if (source.size < ZIP_MAGIC.length) return false;
  return String.fromCharCode(...(await source.read(0, ZIP_MAGIC.length))) === ZIP_MAGIC;
}

/** What the directory of a zip file says of its entries; a problem where it cannot be read. */
async function entriesOf(
  source: ByteSource,
  problems: BaichuanError[],
): Promise<EntryChecker | undefined> {
  try {
    return await checkEntries(source);
  } catch (error) {
    if (!(error instanceof BaichuanError) || !error.code.startsWith('zip-')) throw error;
    problems.push(error);
    return undefined;
  }
}

function mismatch(file: string, expected: string, found: string | undefined): BaichuanError {
  const has = found === undefined ? 'the file is not there' : `the file has the sha256 ${found}`;
  return new BaichuanError('checksum-mismatch', {
    file,
    what: `${has}, where ${expected} is listed.`,
    fix: 'Download this file again.',
    expected,
    found: found ?? 'nothing',
  });
}

/** Reads a list of checksums as sha256sum writes it: 64 digits, a space, a space or an asterisk,
 *  the name.
 *  @returns name, without folders, → digits @throws checksum-list */
export function parseChecksums(text: string, file: string): Map<string, string> {
  const found = new Map<string, string>();
  text.split(/\r?\n/).forEach((line, index) => {
    if (line === '' || line.startsWith('#')) return;
    const [, digits, path] = /^([0-9a-f]{64}) [ *](.+)$/i.exec(line) ?? [];
    if (digits === undefined || path === undefined) throw listError(file, index + 1, line);
    found.set(path.replace(/^.*[\\/]/, ''), digits.toLowerCase());
  });
  if (found.size === 0) throw listError(file, 1, '');
  return found;
}

function listError(file: string, line: number, text: string): BaichuanError {
  return new BaichuanError('checksum-list', {
    file,
    where: `line ${line}`,
    what: `${quote(text)} is no line of a list of sha256.`,
    fix: 'Give a file that sha256sum or baichuan verify --sha256sum wrote.',
  });
}
