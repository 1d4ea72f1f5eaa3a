/** Small GGUF headers for specs, damaged in one place, and their refusals. */
import * as assert from 'uvu/assert';
import { readGgufHeader } from '../../src/formats/gguf/header.ts';
import { ggufFile, type RawGguf, type RawTensor, string, uint } from './gguf-files.ts';
import { SOURCE_KINDS } from './model-files.ts';
import { type ExpectedRefusal, expectRefusal } from './refusal.ts';

/** The name of every file here. */
export const FILE = 'model.gguf';

/** The same refusal from each kind of source (I6). */
export async function refuseHeader(bytes: Uint8Array, expected: ExpectedRefusal): Promise<void> {
  const open = async (kind: string) => {
    const source = await SOURCE_KINDS[kind](FILE, bytes);
    return readGgufHeader(source).finally(() => source.close());
  };
  const error = await expectRefusal(() => open('buffer'), { file: FILE, ...expected });
  for (const kind of ['blob', 'file']) {
    const other = await open(kind).catch((caught: unknown) => caught);
    assert.is(String(other), String(error), `I6: ${kind} differs from buffer`);
  }
}

/** A tensor whose bytes are the first letter of its name. */
export function namedTensor(
  name: string,
  axes: number[],
  type: number,
  byteLength: number,
): RawTensor {
  return { name, axes, type, data: new Uint8Array(byteLength).fill(name.charCodeAt(0)) };
}

/** A file of two keys, `a` and `b`, and two tensors, `t` of F32 and `u` of Q8_0, after `edit`. */
export function damagedHeader(edit: (file: RawGguf) => void): Uint8Array {
  const file: RawGguf = {
    pairs: [uint('a', 7), string('b', '世')],
    tensors: [namedTensor('t', [3, 2], 0, 24), namedTensor('u', [32, 2], 8, 68)],
  };
  edit(file);
  return ggufFile(file);
}
