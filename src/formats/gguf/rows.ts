/** The rows of a matrix, read lazily, and what can be made of them without holding the matrix:
 *  a part of them, several stacked, another order, another type. */

/** Rows of equal size, read by range. */
export interface RowSource {
  readonly rowCount: number;
  readonly rowBytes: number;
  /** @returns the bytes of rows `begin` to `end` − 1, owned by the caller @throws io-… */
  read(begin: number, end: number): Promise<Uint8Array>;
}

/** The rows from `begin` to `end` − 1 alone. */
export function slicedRows(rows: RowSource, begin: number, end: number): RowSource {
  return {
    rowCount: end - begin,
    rowBytes: rows.rowBytes,
    read: (first, last) => rows.read(begin + first, begin + last),
  };
}

/** The rows of several sources, one below the other. */
export function stackedRows(parts: readonly RowSource[]): RowSource {
  const [{ rowBytes }] = parts;
  const rowCount = parts.reduce((total, part) => total + part.rowCount, 0);
  return {
    rowCount,
    rowBytes,
    async read(begin, end) {
      const bytes = new Uint8Array((end - begin) * rowBytes);
      let top = 0;
      for (const part of parts) {
        const first = Math.max(begin, top);
        const last = Math.min(end, top + part.rowCount);
        if (first < last) {
          bytes.set(await part.read(first - top, last - top), (first - begin) * rowBytes);
        }
        top += part.rowCount;
      }
      return bytes;
    },
  };
}

/** The rows in another order within each head.
 *  @param headRows rows of a head @param origin where row `index` of a head comes from */
function reorderedRows(
  rows: RowSource,
  headRows: number,
  origin: (index: number) => number,
): RowSource {
  const { rowCount, rowBytes } = rows;
  return {
    rowCount,
    rowBytes,
    async read(begin, end) {
      const bytes = new Uint8Array((end - begin) * rowBytes);
      for (let head = Math.floor(begin / headRows) * headRows; head < end; head += headRows) {
        const first = Math.max(begin, head);
        const last = Math.min(end, head + headRows);
        const origins = Array.from({ length: last - first }, (_, i) => origin(first + i - head));
        const least = origins.reduce((low, index) => Math.min(low, index), headRows);
        const most = origins.reduce((high, index) => Math.max(high, index), 0);
        const span = await rows.read(head + least, head + most + 1);
        origins.forEach((index, i) => {
          const from = (index - least) * rowBytes;
          bytes.set(span.subarray(from, from + rowBytes), (first + i - begin) * rowBytes);
        });
      }
      return bytes;
    },
  };
}

/** The order of a query or key matrix in GGUF: the halves of each head interleaved, as llama.cpp
 *  rotates neighbours (2i, 2i + 1) where the published code rotates (i, i + d/2).
 *  @param headRows d, even
 *  Source: llama.cpp, conversion of Baichuan, `_reverse_hf_permute`. */
export function interleavedHeads(rows: RowSource, headRows: number): RowSource {
  const half = headRows / 2;
  return reorderedRows(rows, headRows, (index) => (index % 2) * half + Math.floor(index / 2));
}

/** The order of the published code: `interleavedHeads` undone. */
export function halvedHeads(rows: RowSource, headRows: number): RowSource {
  const half = headRows / 2;
  return reorderedRows(rows, headRows, (index) => (index % half) * 2 + Math.floor(index / half));
}

/** Each row made into another of a fixed size.
 *  @param convert takes whole rows @param rowBytes of what it gives */
export function convertedRows(
  rows: RowSource,
  rowBytes: number,
  convert: (bytes: Uint8Array, firstRow: number) => Uint8Array,
): RowSource {
  return {
    rowCount: rows.rowCount,
    rowBytes,
    read: async (begin, end) => convert(await rows.read(begin, end), begin),
  };
}

/** All rows in blocks of about `blockBytes`, at least one row each. */
export async function* rowBlocks(rows: RowSource, blockBytes: number): AsyncGenerator<Uint8Array> {
  const step = Math.max(1, Math.floor(blockBytes / rows.rowBytes));
  for (let begin = 0; begin < rows.rowCount; begin += step) {
    yield await rows.read(begin, Math.min(begin + step, rows.rowCount));
  }
}
