/** Node: files, folders and standard input. Deno and Bun have the same `node:fs`. */

import { Buffer } from 'node:buffer';
import { fstatSync } from 'node:fs';
import process from 'node:process';
import { BaichuanError } from '../errors.ts';
import { ioError } from './node-errors.ts';

export { locateModel, openFolder } from './node-folder.ts';
export { openFile } from './node-read-file.ts';
export { createFile, type FileWriter } from './node-write-file.ts';

/** The longest standard input that is read unless told otherwise, in bytes. */
const DEFAULT_STDIN_BYTES = 64 * 2 ** 20;

/** Reads standard input to its end.
 *  @throws io-failed, io-not-a-file */
export async function readStdin(maxBytes = DEFAULT_STDIN_BYTES): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    // Node gives no bytes, and no error, where standard input is a folder.
    if (fstatSync(0).isDirectory()) throw stdinFolderError();
    for await (const chunk of process.stdin) {
      const bytes = typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk;
      size += bytes.length;
      if (size > maxBytes) throw stdinLimitError(maxBytes);
      chunks.push(bytes);
    }
  } catch (cause) {
    throw ioError(cause, { file: 'standard input', byteOffset: size, action: 'read it' });
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function stdinLimitError(maxBytes: number): BaichuanError {
  return new BaichuanError('io-failed', {
    file: 'standard input',
    what: `there are more than ${maxBytes} bytes.`,
    fix: 'Give the text as a file, or in smaller parts.',
    expected: maxBytes,
  });
}

function stdinFolderError(): BaichuanError {
  return new BaichuanError('io-not-a-file', {
    file: 'standard input',
    what: 'this is a folder, which has no text.',
    fix: 'Redirect a file or a pipe to standard input.',
    found: 'a folder',
  });
}
