/** A checkpoint as every format reader gives it: named tensors that are read lazily, piece by
 *  piece, and the text metadata of the file. Opening reads headers only. */

/** How elements that stand alone are stored, little-endian; the names are those of safetensors. */
export type ElementType =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U8'
  | 'BOOL';

/** Elements in blocks of 32 along a row, as GGUF has them: the float16 scale of the block, then 32
 *  int8 (Q8_0, 34 bytes), or 16 bytes of which byte i holds q + 8 of elements i (low) and 16 + i
 *  (Q4_0, 18 bytes). Element = scale · q. */
export type BlockType = 'Q8_0' | 'Q4_0';

/** Elements that are read as one byte each but are stored in four bits, −8 … 7: quantized by output
 *  row. */
export type NibbleType = 'I4';

export type StoredType = ElementType | BlockType | NibbleType;

/** Bytes of one element of each type that has elements. */
export const STORED_TYPE_BYTES: Readonly<Record<ElementType, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** One tensor of a checkpoint, still in its file. */
export interface StoredTensor {
  /** Its name in the file, verbatim. */
  readonly name: string;
  readonly dtype: StoredType;
  /** Row-major; `[]` is one element. */
  readonly shape: readonly number[];
  /** Its size: the product of `shape` times the bytes of an element; of blocks likewise. */
  readonly byteLength: number;
  /** The file that holds it, for messages. */
  readonly file: string;
  /** Of a matrix `[out, in]` of I8 or I4, quantized by output row: the scale of each, F32 `[out]`.
   *  The weight is then value · scale. */
  readonly channelScales?: StoredTensor;
  /** Reads a part of its bytes, counted from its first.
   *  @returns exactly `byteLength` bytes, owned by the caller
   *  @throws io-range, io-failed, io-changed, io-closed */
  read(byteOffset: number, byteLength: number): Promise<Uint8Array>;
}

/** The tensors of one file or of all shards of a model. */
export interface Checkpoint {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Text about the file, as its writer left it. */
  readonly metadata: ReadonlyMap<string, string>;
  /** What was accepted though it was odd, one sentence each. */
  readonly notices: readonly string[];
  close(): Promise<void>;
}
