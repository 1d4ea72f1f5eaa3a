/** What a file is that `torch.save` did not write as it does since PyTorch 1.6: older formats of
 *  PyTorch by name, other files by their first bytes, other archives by the names of their entries.
 *  Source: PyTorch, torch/serialization.py (`MAGIC_NUMBER`, `_legacy_load`) and
 *  caffe2/serialize/inline_container.cc. */
import { BaichuanError } from '../../errors.ts';
import { SNIFF_BYTES, sniffForeignFormat } from '../../sniff.ts';
import type { ByteSource } from '../byte-source.ts';
import type { ZipEntry } from '../zip/directory.ts';

/** PROTO 2, LONG1 of the magic number 0x1950a86a20f9469cfc6c, STOP. */
const LEGACY_HEAD = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const ZIP_HEAD = [0x50, 0x4b, 3, 4];

/** `ustar` at byte 257 of a tar file. */
const TAR_OFFSET = 257;
const TAR_MARK = [0x75, 0x73, 0x74, 0x61, 0x72];

const EXPECTED = 'a PyTorch file in the zip format';

/** Refuses a file that does not begin as a zip file.
 *  @throws torch-format, io-lfs, io-html, io-magic, io-… */
export async function expectZipHead(source: ByteSource): Promise<void> {
  const { name: file, size } = source;
  const head = await source.read(0, Math.min(size, SNIFF_BYTES));
  if (startsWith(head, ZIP_HEAD)) return;
  if (startsWith(head, LEGACY_HEAD)) {
    const again = '_use_new_zipfile_serialization left at True';
    throw formatError(file, 'a PyTorch file in the legacy format, from before version 1.6', {
      fix: `Save the state dict anew with PyTorch 1.6 or later (${again}), or as safetensors.`,
      found: 'legacy PyTorch file',
    });
  }
  if (startsWith(head.subarray(TAR_OFFSET), TAR_MARK)) {
    throw formatError(file, 'a tar file, which PyTorch wrote before version 0.2', {
      fix: 'Unpack it, or save the state dict anew with PyTorch 1.6 or later.',
      found: 'tar file',
    });
  }
  const accepts = ['zip'];
  const foreign = sniffForeignFormat(head, { file, expectedFormat: EXPECTED, size, accepts });
  if (foreign !== undefined) throw foreign;
  throw formatError(file, 'no zip file: it does not begin with PK', {
    fix: 'Download the file again, or save the state dict anew with torch.save.',
    found: 'unknown bytes',
  });
}

/** Finds the pickle, and the folder of the archive that everything is in: `ROOT/data.pkl`.
 *  @throws torch-format for TorchScript, torch-pickle */
export function findPickle(
  directory: ReadonlyMap<string, ZipEntry>,
  file: string,
): { root: string; pickle: ZipEntry } {
  const pickles = [...directory.values()].filter(({ name }) => /(^|\/)data\.pkl$/.test(name));
  const root = /^([^/]+)\/data\.pkl$/.exec(pickles[0]?.name ?? '')?.[1];
  const isScript = (name: string) => /^[^/]+\/(constants\.pkl$|code\/)/.test(name);
  if ([...directory.keys()].some(isScript)) {
    throw formatError(file, 'a TorchScript archive, which holds a program', {
      fix: 'Save only its weights: torch.save(torch.jit.load(FILE).state_dict(), …).',
      found: 'TorchScript archive',
    });
  }
  if (root !== undefined && pickles.length === 1) return { root, pickle: pickles[0] };
  throw new BaichuanError('torch-pickle', {
    file,
    where: 'data.pkl',
    what: `the archive has ${pickles.length} entries data.pkl, where one in a folder belongs.`,
    fix: 'Check that torch.save wrote this file, or download it again.',
    expected: 'one ROOT/data.pkl',
    found: pickles.length,
  });
}

function startsWith(bytes: Uint8Array, head: readonly number[]): boolean {
  return head.every((byte, index) => bytes[index] === byte);
}

function formatError(file: string, what: string, { fix, found }: { fix: string; found: string }) {
  return new BaichuanError('torch-format', {
    file,
    where: 'byte 0',
    what: `this is ${what}.`,
    fix,
    expected: EXPECTED,
    found,
  });
}
