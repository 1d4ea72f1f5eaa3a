/** The checksums of all entries of a zip file, while its bytes go by once from first to last. */
import { BaichuanError, quote } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { crc32 } from './crc32.ts';
import { readZipDirectory, type ZipEntry } from './directory.ts';
import { readDataOffsets } from './local-header.ts';

/** Takes the bytes of a file in order. */
export interface EntryChecker {
  /** @param byteOffset where the bytes stand in the file, which is where the last ones ended */
  take(byteOffset: number, bytes: Uint8Array): void;
  /** An error for each entry whose data has another checksum. */
  finish(): BaichuanError[];
}

/** Reads the directory of a zip file, to check what follows.
 *  @throws zip-…, io-… */
export async function checkEntries(source: ByteSource): Promise<EntryChecker> {
  const entries = [...(await readZipDirectory(source)).values()];
  const offsets = await readDataOffsets(source, entries);
  const checks = entries
    .map((entry) => ({ entry, begin: offsets.get(entry) ?? 0, found: 0 }))
    .sort((a, b) => a.begin - b.begin);
  let next = 0;
  return {
    take(byteOffset, bytes) {
      const end = byteOffset + bytes.length;
      for (let index = next; index < checks.length && checks[index].begin < end; index++) {
        const check = checks[index];
        const last = check.begin + check.entry.byteLength;
        const part = bytes.subarray(
          Math.max(0, check.begin - byteOffset),
          Math.max(0, last - byteOffset),
        );
        check.found = crc32(part, check.found);
        if (last <= end) next = index + 1;
      }
    },
    finish: () => {
      const wrong = checks.filter(({ entry, found }) => found !== entry.crc32);
      return wrong.map(({ entry, found }) => checksumError(source.name, entry, found));
    },
  };
}

function checksumError(file: string, entry: ZipEntry, found: number): BaichuanError {
  const hex = (value: number) => `0x${value.toString(16).padStart(8, '0')}`;
  return new BaichuanError('zip-crc', {
    file,
    where: `entry ${quote(entry.name)}`,
    what: 'the data does not have the checksum that the directory gives it.',
    fix: 'Download the file again and compare its sha256, or write it anew.',
    expected: hex(entry.crc32),
    found: hex(found),
  });
}
