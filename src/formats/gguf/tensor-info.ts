/** What a GGUF header says about one tensor: name, axes, type, place. */
import { BaichuanError, type ErrorCode, quote } from '../../errors.ts';
import { firstInvalidUtf8 } from '../../utf-8.ts';
import type { HeaderCursor } from './cursor.ts';
import { GGML_TYPES, type GgmlTypeName, OTHER_GGML_TYPES, rowByteLength } from './ggml-types.ts';
import { MAX_AXES, MAX_DIM, MAX_NAME_BYTES } from './limits.ts';

export interface TensorInfo {
  readonly name: string;
  readonly type: GgmlTypeName;
  /** Row-major: the reverse of the file's order. */
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** From the beginning of the data, as the file has it. */
  readonly dataOffset: bigint;
  /** Where this entry begins in the file. */
  readonly infoOffset: number;
}

const TYPE_NAMES: ReadonlyMap<number, GgmlTypeName> = new Map(
  Object.entries(GGML_TYPES).map(([name, { id }]) => [id, name as GgmlTypeName]),
);

const DAMAGED = 'Download the file again; if that does not help, convert the model anew.';

/** Reads one entry.
 *  @throws gguf-name, gguf-rank, gguf-dim, gguf-dtype, gguf-block, gguf-truncated */
export async function readTensorInfo(cursor: HeaderCursor, index: number): Promise<TensorInfo> {
  const infoOffset = cursor.byteOffset;
  const name = await readName(cursor, index);
  const place = { file: cursor.file, where: `byte ${infoOffset}, tensor ${quote(name)}` };
  await cursor.need(4, `number of axes of ${quote(name)}`);
  const axes = cursor.uint32();
  if (axes < 1 || axes > MAX_AXES) {
    const what = `the tensor has ${axes} axes, where 1 to ${MAX_AXES} are possible.`;
    throw new BaichuanError('gguf-rank', { ...place, what, fix: DAMAGED, found: axes });
  }
  await cursor.need(8 * axes + 12, `axes, type and offset of ${quote(name)}`);
  const shape = takeShape(cursor, axes, place);
  const type = takeType(cursor, place);
  const columns = shape[shape.length - 1];
  const { blockElements } = GGML_TYPES[type];
  if (columns % blockElements !== 0) {
    const what = `rows of ${columns} are no whole blocks of ${blockElements}, as ${type} has them.`;
    throw new BaichuanError('gguf-block', { ...place, what, fix: DAMAGED, found: columns });
  }
  const rows = shape.slice(0, -1).reduce((total, size) => total * size, 1);
  const byteLength = rows * rowByteLength(type, columns);
  return { name, type, shape, byteLength, dataOffset: cursor.uint64(), infoOffset };
}

async function readName(cursor: HeaderCursor, index: number): Promise<string> {
  const { file, byteOffset } = cursor;
  await cursor.need(8, `length of the name of tensor ${index}`);
  const byteLength = cursor.uint64();
  let fault = `has ${byteLength} bytes, where 1 to ${MAX_NAME_BYTES} are allowed`;
  if (byteLength >= 1n && byteLength <= MAX_NAME_BYTES) {
    await cursor.need(Number(byteLength), `name of tensor ${index}`);
    const bytes = cursor.bytes(Number(byteLength));
    if (firstInvalidUtf8(bytes) < 0) {
      const name = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
      if (!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) return name;
      fault = `${quote(name)} holds a character that is not printable`;
    } else fault = 'is not UTF-8';
  }
  throw new BaichuanError('gguf-name', {
    file,
    where: `byte ${byteOffset}, tensor ${index}`,
    what: `the name ${fault}.`,
    fix: DAMAGED,
  });
}

interface Place {
  readonly file: string;
  readonly where: string;
}

/** The sizes along the axes. So many bytes as the file has hold at most eight times as many
 *  elements, whatever their type. */
function takeShape(cursor: HeaderCursor, axes: number, place: Place): number[] {
  const shape: number[] = [];
  let elements = 1;
  for (let axis = 0; axis < axes; axis++) {
    const size = cursor.uint64();
    if (size < 1n || size > MAX_DIM) {
      const what = `axis ${axis} has the size ${size}, where 1 to ${MAX_DIM} are possible.`;
      throw dimError(place, what, size);
    }
    elements *= Number(size);
    if (elements > 8 * cursor.fileSize) {
      const sizes = [...shape.toReversed(), size].join(' × ');
      const what = `${sizes} elements and more cannot be in a file of ${cursor.fileSize} bytes.`;
      throw dimError(place, what, size);
    }
    shape.unshift(Number(size));
  }
  return shape;
}

function dimError(place: Place, what: string, size: bigint): BaichuanError {
  const code: ErrorCode = 'gguf-dim';
  const fix = 'Download the file again: it is damaged, or was cut short.';
  return new BaichuanError(code, { ...place, what, fix, found: String(size) });
}

function takeType(cursor: HeaderCursor, place: Place): GgmlTypeName {
  const number = cursor.uint32();
  const type = TYPE_NAMES.get(number);
  if (type !== undefined) return type;
  const name = OTHER_GGML_TYPES[number] ?? 'unknown';
  const supported = Object.keys(GGML_TYPES).join(', ');
  throw new BaichuanError('gguf-dtype', {
    ...place,
    what: `the tensor has the type ${number}, ${name}, which is not read; ${supported} are.`,
    fix: 'Quantize the model to one of these types with llama-quantize.',
    expected: supported,
    found: `${number} (${name})`,
  });
}
