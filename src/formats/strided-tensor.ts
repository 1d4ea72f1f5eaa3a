/** A tensor whose elements do not lie one after the other in its file, read as if they did.
 *
 *  Element [i₀, i₁, …] is number offset + Σ iₖ · strideₖ of a storage: a transposed matrix has the
 *  strides [1, R]. The logical order is cut into slabs of at most 32 MiB, each a box of the index
 *  space; a slab is gathered in the order of the storage, so that the file is read forwards, in
 *  blocks of at most 4 MiB. The slab read last is kept, so reading a tensor from its beginning to
 *  its end, in pieces of any size, gathers each slab once. */
import { BaichuanError } from '../errors.ts';
import { elementCount } from '../tensor/tensor.ts';
import { expectRange } from './byte-source.ts';
import { type ElementType, STORED_TYPE_BYTES, type StoredTensor } from './checkpoint.ts';
import { type Box, type ElementReader, gatherBox } from './gather.ts';

/** A view of a storage. */
export interface StridedLayout {
  readonly name: string;
  readonly dtype: ElementType;
  readonly file: string;
  readonly shape: readonly number[];
  /** In elements; of axes that are longer than 1 they are positive, and no two elements meet. */
  readonly strides: readonly number[];
  /** Number of the first element in the storage. */
  readonly offset: number;
  /** Reads bytes of the storage. */
  readonly read: ElementReader;
  /** Where the slab read last is kept; the tensors of a file share it. */
  readonly slot: SlabSlot;
}

/** Room for one slab. */
export interface SlabSlot {
  slab?: { layout: StridedLayout; begin: number; bytes: Promise<Uint8Array> } | undefined;
}

/** Bytes of a slab, the most that is kept. */
const SLAB_BYTES = 32 * 2 ** 20;

export interface StridedOptions {
  /** Bytes of a slab; 32 MiB unless told. */
  readonly slabBytes?: number | undefined;
}

/** The layouts behind the tensors made here, so that a view of a view reads the storage itself. */
const layouts = new WeakMap<StoredTensor, StridedLayout>();

/** Makes a stored tensor of a view.
 *  @returns a tensor whose bytes are in row-major order */
export function stridedTensor(layout: StridedLayout, options: StridedOptions = {}): StoredTensor {
  const { name, dtype, shape, file } = layout;
  const itemBytes = STORED_TYPE_BYTES[dtype];
  const byteLength = elementCount(shape) * itemBytes;
  const whole = { name: file, size: byteLength };
  const read = isContiguous(layout)
    ? (at: number, length: number) => layout.read(layout.offset * itemBytes + at, length)
    : slabReader(layout, options.slabBytes ?? SLAB_BYTES);
  const tensor: StoredTensor = {
    name,
    dtype,
    shape,
    byteLength,
    file,
    async read(byteOffset, length) {
      expectRange(whole, byteOffset, length);
      return length === 0 ? new Uint8Array(0) : read(byteOffset, length);
    },
  };
  layouts.set(tensor, layout);
  return tensor;
}

/** The transpose of a matrix, without reading it.
 *  @param tensor `[R, K]` @returns `[K, R]`, of the same name */
export function transposedTensor(tensor: StoredTensor): StoredTensor {
  const { name, dtype, file, shape, read } = tensor;
  const [rows, columns] = shape;
  if (dtype === 'Q8_0' || dtype === 'Q4_0' || dtype === 'I4') throw blocksCannotTurn(tensor);
  const plain = { name, dtype, file, shape, strides: [columns, 1], offset: 0, read, slot: {} };
  const layout = layouts.get(tensor) ?? plain;
  const [rowStride, columnStride] = layout.strides;
  const turned = { shape: [columns, rows], strides: [columnStride, rowStride] };
  return stridedTensor({ ...layout, ...turned });
}

/** Blocks lie along rows: their transpose is no tensor of blocks. */
function blocksCannotTurn({ name, file, dtype }: StoredTensor): BaichuanError {
  return new BaichuanError('internal-error', {
    file,
    where: name,
    what: `A tensor of ${dtype} blocks has no transpose.`,
    fix: 'Decode its rows first.',
  });
}

/** Whether the elements lie one after the other, in row-major order. */
function isContiguous({ shape, strides }: StridedLayout): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/** How the index space is cut: `inner` elements make a row of an axis, `rows` of them a slab. */
interface Cut {
  readonly axis: number;
  readonly inner: number;
  readonly rows: number;
}

function cutOf(shape: readonly number[], slabElements: number): Cut {
  let axis = shape.length - 1;
  let inner = 1;
  while (axis > 0 && inner * shape[axis] <= slabElements) {
    inner *= shape[axis];
    axis -= 1;
  }
  const fitting = Math.max(1, Math.floor(slabElements / inner));
  return { axis, inner, rows: Math.min(shape[axis], fitting) };
}

/** Reads ranges of bytes of the logical order through slabs, of which it keeps the last. */
function slabReader(layout: StridedLayout, slabBytes: number): ElementReader {
  const itemBytes = STORED_TYPE_BYTES[layout.dtype];
  const cut = cutOf(layout.shape, Math.max(1, Math.floor(slabBytes / itemBytes)));
  const { slot } = layout;
  const slabAt = (begin: number, box: Box): Promise<Uint8Array> => {
    const kept = slot.slab;
    if (kept?.layout === layout && kept.begin === begin) return kept.bytes;
    const slab = { layout, begin, bytes: gatherBox(box, itemBytes, layout.read) };
    slot.slab = slab;
    // What failed is read anew the next time.
    slab.bytes.catch(() => {
      if (slot.slab === slab) slot.slab = undefined;
    });
    return slab.bytes;
  };
  const total = elementCount(layout.shape) * itemBytes;
  return async (byteOffset, byteLength) => {
    const result = new Uint8Array(byteLength);
    for (let done = 0; done < byteLength; ) {
      const at = byteOffset + done;
      const { begin, box } = slabOf(layout, cut, Math.floor(at / itemBytes));
      const start = begin * itemBytes;
      const slab = await slabAt(start, box);
      const part = slab.subarray(at - start, at - start + byteLength - done);
      result.set(part, done);
      done += part.length;
    }
    // Whoever reads the end is likely done, and the slab need not wait for another reader.
    if (byteOffset + byteLength === total) slot.slab = undefined;
    return result;
  };
}

/** The slab that holds an element of the logical order: its first element, and its box. */
function slabOf(layout: StridedLayout, { axis, inner, rows }: Cut, element: number) {
  const { shape, strides, offset } = layout;
  const period = inner * shape[axis];
  const outer = Math.floor(element / period);
  const row = Math.floor((element - outer * period) / inner);
  const firstRow = row - (row % rows);
  const count = Math.min(rows, shape[axis] - firstRow);
  let origin = offset + firstRow * strides[axis];
  let rest = outer;
  for (let before = axis - 1; before >= 0; before--) {
    origin += (rest % shape[before]) * strides[before];
    rest = Math.floor(rest / shape[before]);
  }
  const box: Box = {
    origin,
    shape: [count, ...shape.slice(axis + 1)],
    strides: strides.slice(axis),
  };
  return { begin: outer * period + firstRow * inner, box };
}
