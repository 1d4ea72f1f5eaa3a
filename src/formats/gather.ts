/** Gathers a box of a strided storage into row-major order, reading the storage forwards.
 *
 *  Sorted by falling stride, the axes of a view without overlaps give its elements in the order of
 *  the storage. The last two make planes: lines of elements (mostly neighbours), which a transposed
 *  matrix has as its columns. As many lines as fit a block are read at once and turned in tiles. */

/** Reads bytes of a storage. */
export type ElementReader = (byteOffset: number, byteLength: number) => Promise<Uint8Array>;

/** A part of a view, in elements. */
export interface Box {
  /** Number of its first element in the storage. */
  readonly origin: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** An axis in the storage and in the result, in elements. */
interface Axis {
  readonly length: number;
  readonly from: number;
  readonly to: number;
}

/** The most bytes that are read at once. */
const BLOCK_BYTES = 4 * 2 ** 20;

/** Lines further apart than this are read one by one; closer ones with what lies between. */
const MAX_GAP_BYTES = 2 ** 16;

/** Lines of a tile: the elements of as many lines are written side by side. */
const TILE = 64;

/** Gathers a box.
 *  @param itemBytes of an element @returns its elements in row-major order */
export async function gatherBox(
  box: Box,
  itemBytes: number,
  read: ElementReader,
): Promise<Uint8Array> {
  const axes = sortedAxes(box);
  const total = axes.reduce((product, { length }) => product * length, 1);
  const result = new Uint8Array(total * itemBytes);
  const line = axes.pop() ?? { length: 1, from: 1, to: 1 };
  const lines = axes.pop() ?? { length: 1, from: line.length * line.from, to: line.length };
  for (const { from, to } of places(axes)) {
    const plane = { lines, line, from: box.origin + from, to };
    await gatherPlane(plane, { itemBytes, read, result });
  }
  return result;
}

/** The axes that are longer than 1, by falling stride in the storage. */
function sortedAxes({ shape, strides }: Box): Axis[] {
  const axes: Axis[] = [];
  let to = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1) axes.push({ length: shape[axis], from: strides[axis], to });
    to *= shape[axis];
  }
  return axes.sort((a, b) => b.from - a.from);
}

/** Where the planes begin, in the storage and in the result. */
function* places(axes: readonly Axis[]): Generator<{ from: number; to: number }> {
  const [first, ...others] = axes;
  if (first === undefined) {
    yield { from: 0, to: 0 };
    return;
  }
  for (let index = 0; index < first.length; index++) {
    for (const { from, to } of places(others)) {
      yield { from: index * first.from + from, to: index * first.to + to };
    }
  }
}

interface Plane {
  readonly lines: Axis;
  readonly line: Axis;
  readonly from: number;
  readonly to: number;
}

interface Task {
  readonly itemBytes: number;
  readonly read: ElementReader;
  readonly result: Uint8Array;
}

async function gatherPlane(plane: Plane, task: Task): Promise<void> {
  const { lines, line } = plane;
  const { itemBytes } = task;
  const span = (line.length - 1) * line.from + 1;
  const gapBytes = (lines.from - span) * itemBytes;
  const fitting = Math.floor((BLOCK_BYTES / itemBytes - span) / lines.from) + 1;
  const together = gapBytes > MAX_GAP_BYTES ? 1 : Math.max(1, fitting);
  for (let first = 0; first < lines.length; first += together) {
    const count = Math.min(together, lines.length - first);
    const from = plane.from + first * lines.from;
    const to = plane.to + first * lines.to;
    await gatherLines({ lines: { ...lines, length: count }, line, from, to }, task);
  }
}

/** Gathers lines that are read at once, or parts of a line that is longer than a block. */
async function gatherLines({ lines, line, from, to }: Plane, task: Task): Promise<void> {
  const { itemBytes, read } = task;
  const perLine = Math.max(1, Math.floor((BLOCK_BYTES / itemBytes - 1) / line.from) + 1);
  const apart = line.from * itemBytes > MAX_GAP_BYTES ? 1 : perLine;
  const part = Math.min(line.length, lines.length > 1 ? line.length : apart);
  for (let first = 0; first < line.length; first += part) {
    const length = Math.min(part, line.length - first);
    const start = from + first * line.from;
    const span = (lines.length - 1) * lines.from + (length - 1) * line.from + 1;
    const bytes = await read(start * itemBytes, span * itemBytes);
    const turned = { lines, line: { ...line, length }, from: 0, to: to + first * line.to };
    turn(turned, bytes, task);
  }
}

/** Copies the elements of lines that have been read to their places in the result. */
function turn(plane: Plane, bytes: Uint8Array, { itemBytes, result }: Task): void {
  const { lines, line, to } = plane;
  const source = elementsOf(bytes, itemBytes);
  const target = elementsOf(result, itemBytes);
  for (let begin = 0; begin < lines.length; begin += TILE) {
    const end = Math.min(begin + TILE, lines.length);
    for (let i = 0; i < line.length; i++) {
      const read = i * line.from;
      const write = to + i * line.to;
      for (let j = begin; j < end; j++) {
        target[write + j * lines.to] = source[read + j * lines.from];
      }
    }
  }
}

/** The bytes as elements that are copied bit for bit: integers, never floats. */
function elementsOf(
  bytes: Uint8Array,
  itemBytes: number,
): Uint8Array | Uint16Array | Uint32Array | BigUint64Array {
  const aligned = bytes.byteOffset % itemBytes === 0 ? bytes : Uint8Array.from(bytes);
  const { buffer, byteOffset, byteLength } = aligned;
  const length = byteLength / itemBytes;
  if (itemBytes === 1) return aligned;
  if (itemBytes === 2) return new Uint16Array(buffer, byteOffset, length);
  if (itemBytes === 4) return new Uint32Array(buffer, byteOffset, length);
  return new BigUint64Array(buffer, byteOffset, length);
}
