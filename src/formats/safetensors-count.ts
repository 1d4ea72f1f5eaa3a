/** How many tensors a safetensors header lists, counted before it is parsed: a hundred thousand
 *  entries cost a second and a hundred megabytes as objects, and milliseconds as bytes. */
import { BaichuanError } from '../errors.ts';

const MAX_TENSORS = 100_000;

const METADATA_KEY = new TextEncoder().encode('"__metadata__"');

/** Refuses a header with too many tensors. What is no JSON is counted somehow, and refused later.
 *  @throws safetensors-count */
export function expectTensorCount(header: Uint8Array, file: string): void {
  const count = countTensors(header);
  if (count <= MAX_TENSORS) return;
  throw new BaichuanError('safetensors-count', {
    file,
    where: 'the header',
    what: `the header lists ${count} tensors, where at most ${MAX_TENSORS} are read.`,
    fix: 'Check that this is the file you mean; a 13B checkpoint has 283 tensors.',
    expected: MAX_TENSORS,
    found: count,
  });
}

/** Members of the root object, which one comma less separates, without the metadata. */
function countTensors(header: Uint8Array): number {
  let count = 1;
  let depth = 0;
  for (let offset = 0; offset < header.length; offset++) {
    switch (header[offset]) {
      case 0x22: {
        const end = endOfString(header, offset);
        if (depth === 1 && isMetadataKey(header, offset, end)) count -= 1;
        offset = end;
        break;
      }
      case 0x7b:
      case 0x5b:
        depth += 1;
        break;
      case 0x7d:
      case 0x5d:
        depth -= 1;
        break;
      case 0x2c:
        if (depth === 1) count += 1;
    }
  }
  return count;
}

/** The offset of the quote that ends the string which begins at `start`. */
function endOfString(header: Uint8Array, start: number): number {
  let offset = start + 1;
  while (offset < header.length && header[offset] !== 0x22) {
    offset += header[offset] === 0x5c ? 2 : 1;
  }
  return offset;
}

function isMetadataKey(header: Uint8Array, start: number, end: number): boolean {
  if (end + 1 - start !== METADATA_KEY.length) return false;
  return METADATA_KEY.every((byte, index) => header[start + index] === byte);
}
