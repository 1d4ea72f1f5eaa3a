/** What assembly/index.ts exports, with the parameter order of the reference kernels.
 *
 *  Pointers are byte offsets into the memory and multiples of 4; sizes are in elements. Ranges come
 *  last, so that work can be split: rows of a weight (multiples of 8 but for the end), tokens,
 *  heads or elements. Kernels check nothing and allocate nothing.
 *
 *  Layouts. A linear weight is stored in blocks of 8 output rows, missing rows being zero; G is the
 *  number of groups of 32 input features, the last one filled with zeros:
 *
 *  - float32 `[in][8] f32`, 16 bits `[in][8] u16`;
 *  - int8 `[G]` of: 8 float16 scales, then `[8][8 rows][4] i8`, elements 4j … 4j + 3 for each j;
 *  - int4 `[G]` of: 8 float16 scales, then `[4][8 rows][4] u8`, byte i of a row at j holding
 *    element 4j + i (low nibble) and 16 + 4j + i (high nibble), each q + 8;
 *  - int8-channel and int4-channel: 8 float32 scales, then the groups without scales.
 *
 *  Quantized activations: q `[G, T, 32]`, in the order and width that the build wants (see
 *  assembly/dot.ts), float32 scales and int32 offsets `[G, T]`. */

/** y = x · Wᵀ, float32 activations: y `[T, out]`, x `[T, in]`, w packed. */
export type FloatMatmul = (
  yPtr: number,
  xPtr: number,
  wPtr: number,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
) => void;

/** y = x · Wᵀ, quantized activations: y `[T, out]`, q `[G, T, 32]`, w packed; scratch of
 *  `matmulScratchBytes` in layout.ts. */
export type IntegerMatmul = (
  yPtr: number,
  qPtr: number,
  scalesPtr: number,
  offsetsPtr: number,
  wPtr: number,
  scratchPtr: number,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
) => void;

/** Rows of a weight into the packed layout. `wPtr` is the block of row 0. */
export type Pack = (
  wPtr: number,
  xPtr: number,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
) => void;

/** Rows of integers with a scale each into the packed layout. */
export type PackValues = (
  wPtr: number,
  valuesPtr: number,
  scalesPtr: number,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
) => void;

/** y[r] = table[ids[r]]. */
export type Gather = (
  yPtr: number,
  tablePtr: number,
  idsPtr: number,
  C: number,
  rowStart: number,
  rowEnd: number,
) => void;

/** Keys and values `[T, H, D]` into the blocks of a table, token t at `position + t`. */
export type AppendKeyValue = (
  tablePtr: number,
  keyPtr: number,
  valuePtr: number,
  H: number,
  D: number,
  position: number,
  rowStart: number,
  rowEnd: number,
) => void;

/** Causal attention of `count` new tokens from `position` on; `slopesPtr`, `scoresPtr` and
 *  `probsPtr` may be 0. Head h may use `scratchStride` bytes from
 *  `scratchPtr + h · scratchStride` on. */
export type Attention = (
  yPtr: number,
  qPtr: number,
  tablePtr: number,
  H: number,
  D: number,
  position: number,
  count: number,
  scale: number,
  slopesPtr: number,
  scoresPtr: number,
  probsPtr: number,
  scratchPtr: number,
  scratchStride: number,
  headStart: number,
  headEnd: number,
) => void;

export interface KernelExports extends Record<string, unknown> {
  /** First byte that belongs to the owner of the memory. */
  heapBase: WebAssembly.Global;
  /** Bytes of a quantized activation: 1 in the relaxed build, 2 in the baseline build. */
  activationBytes: WebAssembly.Global;

  widenBf16(yPtr: number, xPtr: number, count: number): void;
  widenF16(yPtr: number, xPtr: number, count: number): void;
  /** The same over elements `start` to `end`. */
  widenBf16Range(yPtr: number, xPtr: number, start: number, end: number): void;
  widenF16Range(yPtr: number, xPtr: number, start: number, end: number): void;

  matmulF32: FloatMatmul;
  matmulBf16: FloatMatmul;
  matmulF16: FloatMatmul;
  matmulInt8Exact: FloatMatmul;
  matmulInt4Exact: FloatMatmul;
  matmulInt8ChannelExact: FloatMatmul;
  matmulInt4ChannelExact: FloatMatmul;
  matmulInt8: IntegerMatmul;
  matmulInt4: IntegerMatmul;
  matmulInt8Channel: IntegerMatmul;
  matmulInt4Channel: IntegerMatmul;
  quantizeActivations(
    qPtr: number,
    scalesPtr: number,
    offsetsPtr: number,
    xPtr: number,
    T: number,
    inFeatures: number,
    rowStart: number,
    rowEnd: number,
  ): void;

  packF32: Pack;
  packHalf: Pack;
  packInt8: Pack;
  packInt4: Pack;
  packInt8Channel: Pack;
  packInt4Channel: Pack;
  packQ8_0: Pack;
  packQ4_0: Pack;
  packInt8ChannelValues: PackValues;
  packInt4ChannelValues: PackValues;

  /** Float32 rows as blocks of Q8_0. */
  quantizeRowsQ8(yPtr: number, xPtr: number, C: number, rowStart: number, rowEnd: number): void;

  rmsNorm(
    yPtr: number,
    xPtr: number,
    weightPtr: number,
    eps: number,
    C: number,
    rowStart: number,
    rowEnd: number,
  ): void;
  rotateHalves(
    yPtr: number,
    xPtr: number,
    cosPtr: number,
    sinPtr: number,
    H: number,
    D: number,
    rowStart: number,
    rowEnd: number,
  ): void;
  /** `activatedPtr` may be 0. */
  siluMul(
    yPtr: number,
    gatePtr: number,
    upPtr: number,
    activatedPtr: number,
    start: number,
    end: number,
  ): void;
  add(targetPtr: number, xPtr: number, yPtr: number, start: number, end: number): void;
  columns(
    yPtr: number,
    xPtr: number,
    start: number,
    count: number,
    C: number,
    rowStart: number,
    rowEnd: number,
  ): void;
  gatherF32: Gather;
  gatherBf16: Gather;
  gatherF16: Gather;
  gatherInt8: Gather;

  appendKeyValueF32: AppendKeyValue;
  appendKeyValueInt8: AppendKeyValue;
  attentionF32: Attention;
  attentionInt8: Attention;
}
