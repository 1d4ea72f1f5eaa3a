/** What a file really is, when it is not what its name promises.
 *
 *  Most "broken" model files are whole files of another kind: the text that Git LFS leaves in place
 *  of a large file, the error page of a download, an archive, a checkpoint of another format. They
 *  are recognised by their first bytes, so that the message names them instead of a parse error.
 *  Sources of the magic numbers: git-lfs `docs/spec.md`; RFC 1952 (gzip); PKWARE APPNOTE 4.3.7
 *  (zip); 7-Zip `7zFormat.txt`; ggml `docs/gguf.md`; Python `pickletools`; safetensors README. */
import { BaichuanError, type ErrorCode, quote } from './errors.ts';

/** What the caller was about to read. */
export interface SniffOptions {
  /** The file as the caller named it. */
  file?: string | undefined;
  /** What the caller expected, in words for the message: `a SentencePiece model`. */
  expectedFormat: string;
  /** Size of the whole file in bytes, of which `head` may be only the beginning. */
  size: number;
  /** Code of the error for a file of zero bytes. */
  emptyCode?: ErrorCode | undefined;
  /** True where a JSON text is a valid content, so that `{` or `[` proves nothing. */
  acceptsJson?: boolean | undefined;
  /** Names from `FOREIGN_MAGICS` that are valid content here, such as `safetensors`. */
  accepts?: readonly string[] | undefined;
}

/** The format names that `sniffForeignFormat` knows by their first bytes. */
export const FOREIGN_MAGICS = [
  'gzip',
  'zip',
  '7z',
  'GGUF',
  'GGML',
  'pickle',
  'safetensors',
] as const;

/** How many bytes at the start of a file are enough for `sniffForeignFormat`. */
export const SNIFF_BYTES = 512;

/** Bytes of an error page that a message shows. */
const PAGE_PREVIEW_BYTES = 60;

const LFS_PREFIX = 'version https://git-lfs.github.com/spec/';

/** Looks at the first bytes of a file for one of the contents that are commonly mistaken for a
 *  model file.
 *  @param head the first `SNIFF_BYTES` bytes of the file, or all of a shorter one
 *  @returns the error to throw (`io-lfs`, `io-html`, `io-magic` or `emptyCode`), or undefined when
 *  the bytes look like none of them */
export function sniffForeignFormat(
  head: Uint8Array,
  options: SniffOptions,
): BaichuanError | undefined {
  if (options.size === 0) return emptyError(options);
  const text = asciiText(head);
  if (text.startsWith(LFS_PREFIX)) return lfsError(text, options);
  if (isPage(text, options.acceptsJson === true)) return pageError(text, options);
  const magic = magicOf(head, text, options.size);
  if (magic === undefined || options.accepts?.includes(magic)) return undefined;
  return magicError(magic, options);
}

function emptyError({ file, expectedFormat, emptyCode }: SniffOptions): BaichuanError {
  return new BaichuanError(emptyCode ?? 'io-magic', {
    file,
    where: 'byte 0',
    what: `the file is empty, where ${expectedFormat} was expected.`,
    fix: 'Download the file again and check its size.',
    expected: expectedFormat,
    found: 0,
  });
}

function lfsError(text: string, { file, expectedFormat, size }: SniffOptions): BaichuanError {
  const oid = /\noid ([a-z0-9]+:[0-9a-f]{1,128})\s/.exec(text)?.[1] ?? 'unknown';
  const realSize = /\nsize (\d{1,20})\s/.exec(text)?.[1] ?? 'unknown';
  const pointed = `the pointer names oid ${oid} of ${realSize} bytes`;
  return new BaichuanError('io-lfs', {
    file,
    where: 'byte 0',
    what: `this is a Git LFS pointer of ${size} bytes, not the file itself; ${pointed}.`,
    fix: 'Run "git lfs pull" in the repository it came from, or download the file itself.',
    expected: expectedFormat,
    found: 'Git LFS pointer',
  });
}

function pageError(text: string, { file, expectedFormat }: SniffOptions): BaichuanError {
  const preview = quote(text.slice(0, PAGE_PREVIEW_BYTES));
  const isJson = /^\S*\s*[{[]/.test(text);
  const kind = isJson ? 'a JSON text' : 'a web page or an error message';
  return new BaichuanError('io-html', {
    file,
    where: 'byte 0',
    what: `this is ${kind}, not ${expectedFormat}: it begins ${preview}.`,
    fix: 'Download the file again; its address may need a login or a direct link to the file.',
    expected: expectedFormat,
    found: preview,
  });
}

function magicError(magic: string, { file, expectedFormat }: SniffOptions): BaichuanError {
  return new BaichuanError('io-magic', {
    file,
    where: 'byte 0',
    what: `this is a ${magic} file, not ${expectedFormat}.`,
    fix: `Give the path of ${expectedFormat}, or unpack or convert this file first.`,
    expected: expectedFormat,
    found: magic,
  });
}

const MARKUP_PAGE = /^(\u00ef\u00bb\u00bf)?\s*<(!doctype|!--|\?xml|html|head|body|error)/i;
const PLAIN_PAGE = /^((entry |repository )?not found|invalid username|access to|unauthorized)/i;

/** A markup or JSON document (white space, then an opening mark and what must follow it), or the
 *  one-line refusal of a model hub. */
function isPage(text: string, acceptsJson: boolean): boolean {
  if (MARKUP_PAGE.test(text)) return true;
  if (PLAIN_PAGE.test(text)) return true;
  return !acceptsJson && /^(\u00ef\u00bb\u00bf)?\s*(\{\s*["}]|\[\s*[\]"{[\d])/.test(text);
}

function magicOf(head: Uint8Array, text: string, size: number): string | undefined {
  if (text.startsWith('\u001f\u008b\u0008')) return 'gzip';
  if (text.startsWith('PK\u0003\u0004') || text.startsWith('PK\u0005\u0006')) return 'zip';
  if (text.startsWith('7z\u00bc\u00af\u0027\u001c')) return '7z';
  if (text.startsWith('GGUF')) return 'GGUF';
  if (['lmgg', 'tjgg', 'algg', 'fmgg', 'FUGG'].includes(text.slice(0, 4))) return 'GGML';
  if (isPickle(head)) return 'pickle';
  return isSafetensors(head, text, size) ? 'safetensors' : undefined;
}

/** PROTO 2…5, then the opcode of an empty container, a frame, a global or a long. */
function isPickle(head: Uint8Array): boolean {
  if (head.length < 3 || head[0] !== 0x80 || head[1] < 2 || head[1] > 5) return false;
  return '}])(\u0095c\u008a'.includes(String.fromCharCode(head[2]));
}

/** The length of a JSON header in 8 little-endian bytes, within the file, then `{`. */
function isSafetensors(head: Uint8Array, text: string, size: number): boolean {
  if (head.length < 10 || text[8] !== '{') return false;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return view.getUint32(4, true) === 0 && view.getUint32(0, true) <= size - 8;
}

/** One character for each byte, so that patterns see bytes. */
function asciiText(head: Uint8Array): string {
  return String.fromCharCode(...head.subarray(0, SNIFF_BYTES));
}
