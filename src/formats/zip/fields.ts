/** Numbers and texts of a zip file, and how its errors speak of their place.
 *  Source: PKWARE APPNOTE 6.3.10. */
import { BaichuanError, type ErrorCode, quote } from '../../errors.ts';
import { firstInvalidUtf8 } from '../../utf-8.ts';

/** What a 16-bit or 32-bit field holds when the real value is in a zip64 field. */
export const MASKED_16 = 0xffff;
export const MASKED_32 = 0xffffffff;

/** The longest name of an entry that is read, in bytes. */
const MAX_NAME_BYTES = 1024;

/** Flag bit 11: the name is UTF-8. */
export const UTF8_FLAG = 0x800;

/** Decodes names as they are, a byte order mark included. */
export const NAME_DECODER = new TextDecoder('utf-8', { ignoreBOM: true });

/** A view of bytes for their numbers, which are little-endian. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A 64-bit number, exact below 2^53; above, it is not a safe integer and must be refused. */
export function uint64(view: DataView, byteOffset: number): number {
  return view.getUint32(byteOffset, true) + 2 ** 32 * view.getUint32(byteOffset + 4, true);
}

/** What is wrong in a zip file, and where. */
export interface ZipFault {
  file: string;
  byteOffset: number;
  what: string;
  fix?: string;
  expected?: string | number;
  found?: string | number;
}

/** The error about a place in a zip file. */
export function zipError(code: ErrorCode, fault: ZipFault): BaichuanError {
  const { file, byteOffset, what, fix, expected, found } = fault;
  return new BaichuanError(code, {
    file,
    where: `byte ${byteOffset}`,
    what,
    fix: fix ?? 'Download the file again and compare its sha256, or write it anew.',
    expected,
    found,
  });
}

/** Decodes the name of an entry and refuses one that could be taken for a path out of the archive,
 *  or that two programs could read as two names.
 *  @throws zip-name */
export function entryName(bytes: Uint8Array, flags: number, file: string, at: number): string {
  const isUtf8 = Math.floor(flags / UTF8_FLAG) % 2 === 1;
  const name = NAME_DECODER.decode(bytes);
  const fault = nameFault(name, bytes, isUtf8);
  if (fault === undefined) return name;
  throw zipError('zip-name', {
    file,
    byteOffset: at,
    what: `the name ${quote(name)} of an entry ${fault}.`,
    fix: 'Do not use this file: torch.save writes no such names.',
    expected: 'a relative path',
    found: quote(name),
  });
}

function nameFault(name: string, bytes: Uint8Array, isUtf8: boolean): string | undefined {
  if (bytes.length === 0) return 'is empty';
  if (bytes.length > MAX_NAME_BYTES) {
    return `has ${bytes.length} bytes, more than ${MAX_NAME_BYTES}`;
  }
  if (firstInvalidUtf8(bytes) >= 0) return 'is not UTF-8';
  if (!isUtf8 && bytes.some((byte) => byte >= 0x80))
    return 'is not ASCII, and not said to be UTF-8';
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) return 'holds a character that is not printable';
  if (name.includes('\\')) return 'holds a backslash';
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name)) return 'is an absolute path';
  if (name.split('/').some((part) => part === '..' || part === '.'))
    return 'leads out of its folder';
  return undefined;
}
