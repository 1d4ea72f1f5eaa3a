/** Files that a reader must refuse, from every kind of source: the same error each time (I6). */
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import type { ByteSource } from '../../src/formats/byte-source.ts';
import { SOURCE_KINDS } from './model-files.ts';
import { type ExpectedRefusal, expectRefusal } from './refusal.ts';

/** Opens bytes that must be refused.
 *  @param open the reader; given another size of blocks it must say the same
 *  @returns the error */
export async function refuseFile(
  open: (source: ByteSource, blockBytes?: number) => Promise<unknown>,
  bytes: Uint8Array,
  expected: ExpectedRefusal,
): Promise<BaichuanError> {
  const file = expected.file ?? 'pytorch_model.bin';
  const opening = async (kind: string, blockBytes?: number) => {
    const source = await SOURCE_KINDS[kind](file, bytes);
    try {
      return await open(source, blockBytes);
    } finally {
      await source.close();
    }
  };
  const error = await expectRefusal(() => opening('buffer'), { file, ...expected });
  for (const [kind, blockBytes] of [
    ['blob', undefined],
    ['file', undefined],
    ['buffer', 1],
    ['buffer', 7],
    ['file', 4096],
  ] as const) {
    const other = await opening(kind, blockBytes).catch((caught: unknown) => caught);
    assert.instance(other, BaichuanError, `${kind}, blocks of ${blockBytes}: ${other}`);
    assert.is(String(other), String(error), `I6: ${kind}, blocks of ${blockBytes}`);
  }
  return error;
}
