/** A stored tensor whose bytes are made of whole rows, by range. */
import { expectRange } from './byte-source.ts';
import type { StoredTensor } from './checkpoint.ts';
import type { RowSource } from './gguf/rows.ts';

/** What a tensor is beside its bytes. */
export type DescribedTensor = Omit<StoredTensor, 'read' | 'byteLength'>;

/** Bytes of a tensor by range, from whole rows. */
export function rowTensor(described: DescribedTensor, rows: RowSource): StoredTensor {
  const { rowBytes, rowCount } = rows;
  const byteLength = rowCount * rowBytes;
  return {
    ...described,
    byteLength,
    async read(byteOffset, length) {
      expectRange({ name: described.file, size: byteLength }, byteOffset, length);
      const begin = Math.floor(byteOffset / rowBytes);
      const end = Math.ceil((byteOffset + length) / rowBytes);
      if (length === 0) return new Uint8Array(0);
      const bytes = await rows.read(begin, end);
      const start = byteOffset - begin * rowBytes;
      return start === 0 && bytes.length === length ? bytes : bytes.slice(start, start + length);
    },
  };
}

/** The rows of a stored matrix; a vector is one row. */
export function rowsOfTensor({ shape, byteLength, read }: StoredTensor): RowSource {
  const rowCount = shape.length < 2 ? 1 : shape[0];
  const rowBytes = byteLength / rowCount;
  return {
    rowCount,
    rowBytes,
    read: (begin, end) => read(begin * rowBytes, (end - begin) * rowBytes),
  };
}
