/** Reads a range of a source from its beginning to its end, in blocks of bounded size. */
import type { ByteSource } from '../byte-source.ts';

/** Bytes of a block, unless more are asked for at once. */
const BLOCK_BYTES = 2 ** 20;

/** Gives pieces of a range in any ascending order; reading backwards works too, but reads again. */
export interface BlockReader {
  /** @returns the bytes from `byteOffset` of the source on, to be used before the next call */
  take(byteOffset: number, byteLength: number): Promise<Uint8Array>;
}

/** Opens a source for reading in blocks; nothing is read yet.
 *  @param end the first byte after the range, which no block goes beyond
 *  @param blockBytes the size of a block */
export function openBlocks(source: ByteSource, end: number, blockBytes = BLOCK_BYTES): BlockReader {
  let block: Uint8Array = new Uint8Array(0);
  let begin = 0;
  return {
    async take(byteOffset, byteLength) {
      const isInside = byteOffset >= begin && byteOffset + byteLength <= begin + block.length;
      if (!isInside) {
        const length = Math.max(byteLength, Math.min(blockBytes, end - byteOffset));
        block = await source.read(byteOffset, length);
        begin = byteOffset;
      }
      return block.subarray(byteOffset - begin, byteOffset - begin + byteLength);
    },
  };
}
