/** A second reader of GGUF headers for specs: it trusts its files, and shares nothing with the one
 *  under test. Source: ggml docs/gguf.md. */

/** Bytes of the values of a type, by its number; texts (8) and arrays (9) have lengths. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/** The bytes of every tensor, from its place to the end of the file. */
export function otherGguf(bytes: Uint8Array): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 8;
  let alignment = 32;
  const take = (size: number) => {
    at += size;
    return at - size;
  };
  const uint32 = () => view.getUint32(take(4), true);
  const uint64 = () => Number(view.getBigUint64(take(8), true));
  const text = () => {
    const length = uint64();
    const start = take(length);
    return new TextDecoder().decode(bytes.subarray(start, start + length));
  };
  const skip = (type: number): void => {
    if (type === 8) text();
    else if (type === 9) {
      const [of, count] = [uint32(), uint64()];
      for (let index = 0; index < count; index++) skip(of);
    } else take(VALUE_BYTES[type]);
  };
  const [tensorCount, pairCount] = [uint64(), uint64()];
  for (let index = 0; index < pairCount; index++) {
    const [key, type] = [text(), uint32()];
    if (key === 'general.alignment') alignment = view.getUint32(at, true);
    skip(type);
  }
  const offsets = new Map<string, number>();
  for (let index = 0; index < tensorCount; index++) {
    const [name, axes] = [text(), uint32()];
    take(8 * axes + 4);
    offsets.set(name, uint64());
  }
  const start = Math.ceil(at / alignment) * alignment;
  return new Map([...offsets].map(([name, offset]) => [name, bytes.subarray(start + offset)]));
}
