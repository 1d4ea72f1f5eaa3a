/** Files that a spec writes: they lie in a temporary folder and are removed when the process ends.
 *  In a page `.scripts/browser/scratch-files.mjs` stands here, whose files are `File`s. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ByteSource } from '../../src/formats/byte-source.ts';
import { openFile } from '../../src/platform/node.ts';

const scratch = mkdtempSync(join(tmpdir(), 'baichuan-spec-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
let files = 0;

/** A fresh path in a folder that is removed when the process ends. */
export function scratchPath(name = 'file'): string {
  files += 1;
  return join(scratch, `${files}-${name}`);
}

/** Bytes in a file. @param name shown in messages */
export async function fileSource(name: string, bytes: Uint8Array): Promise<ByteSource> {
  const path = scratchPath();
  writeFileSync(path, bytes);
  return openFile(path, { name });
}
