/** The tensors of a safetensors file in memory as bytes, read by hand: owes nothing to the reader
 *  under test. */

export type RawFile = ReadonlyMap<string, { dtype: string; shape: number[]; bytes: ArrayBuffer }>;

/** Every tensor of a file. */
export function rawOf(file: Uint8Array): RawFile {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start)));
  const tensors = new Map<string, { dtype: string; shape: number[]; bytes: ArrayBuffer }>();
  for (const [name, entry] of Object.entries<{
    dtype: string;
    shape: number[];
    data_offsets: [number, number];
  }>(header)) {
    if (name === '__metadata__') continue;
    const [begin, end] = entry.data_offsets;
    const bytes = Uint8Array.from(file.subarray(start + begin, start + end)).buffer;
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, bytes });
  }
  return tensors;
}
