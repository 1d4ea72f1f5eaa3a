/** What each parameter of a model becomes in a converted one, and how its rows get there.
 *
 *  With `quantize` the choice is the loader's (engine/weight-formats.ts), but norms stay as they
 *  are; with `type` every parameter becomes floats of that type, but norms on their way to GGUF,
 *  which holds them as float32, are not rounded; else nothing changes. What a file has in the
 *  wanted type already is copied, never rounded again. */

import type { BaichuanConfig } from '../config.ts';
import { isRequantized, rowsForEngine } from '../engine/source-rows.ts';
import { type Quantization, weightFormats } from '../engine/weight-formats.ts';
import { BaichuanError } from '../errors.ts';
import type { Checkpoint, StoredTensor } from '../formats/checkpoint.ts';
import { decodeRows } from '../formats/gguf/decode-rows.ts';
import { encodeRows } from '../formats/gguf/encode-rows.ts';
import type { ParameterRows, WeightFormat } from '../kernels/kernels.ts';
import { countNotFinite } from '../kernels/not-finite.ts';
import { createRowQuantizer, type RowQuantizer } from '../kernels/wasm/row-quantizer.ts';
import { type ParameterRole, parameterTable } from '../model/weights.ts';
import type { QuantizedType } from '../tensor/quantized.ts';

/** Bytes of rows that are read at once. */
export const BLOCK_BYTES = 4 * 2 ** 20;

export type FloatType = 'F32' | 'F16' | 'BF16';
export type RowType = ParameterRows['dtype'];

/** What is wanted of the weights; at most one of the two. */
export interface WantedTypes {
  readonly quantize?: Quantization | undefined;
  readonly type?: FloatType | undefined;
  /** Norms do not become a narrower type. */
  readonly keepsNorms?: boolean | undefined;
}

/** A parameter on its way into another file. */
export interface TargetTensor {
  readonly name: string;
  readonly role: ParameterRole;
  readonly stored: StoredTensor;
  readonly shape: readonly number[];
  /** The type that it will have. */
  readonly dtype: RowType;
  /** Makes rows of the file into rows of that type. */
  convert(rows: ParameterRows): ParameterRows;
}

const STORED_AS: Readonly<Record<WeightFormat, RowType>> = {
  f32: 'F32',
  f16: 'F16',
  bf16: 'BF16',
  int8: 'Q8_0',
  int4: 'Q4_0',
  'int8-channel': 'I8',
  'int4-channel': 'I4',
};

/** Every parameter of a model, in the order of execution.
 *  @param onNotice told when integers of the file are quantized a second time */
export async function targetTensors(
  { config, checkpoint }: { config: BaichuanConfig; checkpoint: Checkpoint },
  wanted: WantedTypes,
  onNotice: (notice: string) => void,
): Promise<TargetTensor[]> {
  const { quantize = 'none' } = wanted;
  const storedOf = (name: string) => checkpoint.tensors.get(name) as StoredTensor;
  const formats = weightFormats(config, quantize, (name) => storedOf(name).dtype);
  const quantizers = new Map<WeightFormat, RowQuantizer>();
  const targets: TargetTensor[] = [];
  const requantized: StoredTensor[] = [];
  for (const [name, { role }] of parameterTable(config)) {
    const stored = storedOf(name);
    const from = stored.dtype as RowType;
    const format = formats.get(name) ?? 'f32';
    const keeps = role === 'norm' || quantize === 'none';
    const dtype = floatTypeOf(role, wanted) ?? (keeps ? from : STORED_AS[format]);
    const isTable = role === 'embedding';
    if (wanted.type === undefined && !keeps && isRequantized(from, format, isTable)) {
      requantized.push(stored);
    }
    const quantized = quantizedTypeOf(dtype);
    if (quantized !== undefined && from !== dtype && !quantizers.has(quantized)) {
      quantizers.set(quantized, await createRowQuantizer(quantized, BLOCK_BYTES));
    }
    const quantizer = quantized === undefined ? undefined : quantizers.get(quantized);
    const columns = stored.shape.at(-1) ?? 1;
    const convert = converter({ from, to: dtype, columns, isTable, quantizer });
    targets.push({ name, role, stored, shape: stored.shape, dtype, convert });
  }
  noticeRequantized(requantized, onNotice);
  return targets;
}

/** The type that is wanted of a parameter, if one is. */
function floatTypeOf(role: ParameterRole, wanted: WantedTypes): FloatType | undefined {
  return role === 'norm' && areNormsKept(wanted) ? undefined : wanted.type;
}

/** Whether norms stay as they are. */
export function areNormsKept({ type, keepsNorms = false }: WantedTypes): boolean {
  return type === undefined || (keepsNorms && type !== 'F32');
}

function quantizedTypeOf(dtype: RowType): QuantizedType | undefined {
  if (dtype === 'Q8_0') return 'int8';
  if (dtype === 'Q4_0') return 'int4';
  if (dtype === 'I8') return 'int8-channel';
  return dtype === 'I4' ? 'int4-channel' : undefined;
}

interface Conversion {
  readonly from: RowType;
  readonly to: RowType;
  readonly columns: number;
  readonly isTable: boolean;
  readonly quantizer: RowQuantizer | undefined;
}

function converter({ from, to, columns, isTable, quantizer }: Conversion): TargetTensor['convert'] {
  if (from === to) return (rows) => rows;
  const type = quantizedTypeOf(to);
  if (type === undefined) return (rows) => floatRows(rows, to as FloatType, columns);
  return (rows) => {
    const fitting = rowsForEngine(rows, type, columns, isTable);
    return fitting.dtype === to || quantizer === undefined
      ? fitting
      : quantizer.quantize(fitting, columns);
  };
}

/** Rows as floats of a type, rounded once where it is narrower. */
export function floatRows(rows: ParameterRows, to: FloatType, columns: number): ParameterRows {
  const floats = rowsForEngine(rows, 'f32', columns, false);
  if (floats.dtype === to) return floats;
  const bytes = encodeRows(to, decodeRows(floats.dtype as FloatType, floats.bytes));
  const narrowed: ParameterRows = { dtype: to, bytes };
  if (to === 'F16' && countNotFinite(narrowed) > countNotFinite(floats)) throw overflowError();
  return narrowed;
}

function overflowError(): BaichuanError {
  return new BaichuanError('model-overflow', {
    where: '--type f16',
    what: 'A weight is beyond 65504, the greatest float16.',
    fix: 'Convert to bf16 or f32.',
    expected: 65_504,
  });
}

function noticeRequantized(
  requantized: readonly StoredTensor[],
  onNotice: (notice: string) => void,
): void {
  if (requantized.length === 0) return;
  const [{ name, dtype }] = requantized;
  onNotice(
    `${requantized.length} tensors are quantized a second time (${name} from ${dtype}), which ` +
      'costs accuracy; convert the model that was not quantized.',
  );
}
