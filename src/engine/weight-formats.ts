/** How every parameter of a model is held, decided by what its file has and what the caller wants.
 *
 *  The published quantizers spare the embedding and the head, and so do `int8-channel` and
 *  `int4-channel` here; with `int8` and `int4` these two are int8. Norms are always float32. A file
 *  that is quantized already keeps its types unless other ones are asked for. */

import type { BaichuanConfig } from '../config.ts';
import { BaichuanError } from '../errors.ts';
import type { WeightFormat } from '../kernels/kernels.ts';
import { type ParameterRole, parameterTable } from '../model/weights.ts';

/** What weights become while they are loaded. */
export const QUANTIZATIONS = ['none', 'int8', 'int4', 'int8-channel', 'int4-channel'] as const;

export type Quantization = (typeof QUANTIZATIONS)[number];

const AS_IN_FILE: Readonly<Record<string, WeightFormat>> = {
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  Q8_0: 'int8',
  Q4_0: 'int4',
  I8: 'int8-channel',
  I4: 'int4-channel',
};

/** The types of a file that weights can come in. */
export function isWeightType(dtype: string): boolean {
  return dtype in AS_IN_FILE;
}

/** The format of every parameter.
 *  @param storedType the type that the file has under a name */
export function weightFormats(
  config: BaichuanConfig,
  quantize: Quantization,
  storedType: (name: string) => string,
): ReadonlyMap<string, WeightFormat> {
  const table = parameterTable(config);
  return new Map(
    [...table].map(([name, { role }]) => [name, formatOf(role, quantize, storedType(name))]),
  );
}

function formatOf(role: ParameterRole, quantize: Quantization, dtype: string): WeightFormat {
  const asInFile = AS_IN_FILE[dtype] ?? 'f32';
  if (role === 'norm') return 'f32';
  if (role === 'linear') return quantize === 'none' ? asInFile : quantize;
  const isGrouped = quantize === 'int8' || quantize === 'int4';
  if (role === 'head') return isGrouped && asInFile !== 'int4' ? 'int8' : asInFile;
  // Rows of a table are looked up in int8: what a file has in 4 bits fits exactly.
  return isGrouped || asInFile === 'int4' ? 'int8' : asInFile;
}

/** The blocks that all layers of a file lie in: `int8` for Q8_0, `int4` for Q4_0, undefined for
 *  others or none. */
export function storedBlocks(
  config: BaichuanConfig,
  storedType: (name: string) => string,
): 'int8' | 'int4' | undefined {
  const layers = [...parameterTable(config)].filter(([, { role }]) => role === 'linear');
  const [found, ...others] = new Set(layers.map(([name]) => AS_IN_FILE[storedType(name)]));
  return others.length === 0 && (found === 'int8' || found === 'int4') ? found : undefined;
}

/** Checks the name of a quantization. @throws option-value */
export function expectQuantization(quantize: string): Quantization {
  const found = QUANTIZATIONS.find((name) => name === quantize);
  if (found !== undefined) return found;
  throw new BaichuanError('option-value', {
    where: 'quantize',
    what: `There is no quantization ${JSON.stringify(quantize)}.`,
    fix: `Use ${QUANTIZATIONS.join(', ')}.`,
    expected: QUANTIZATIONS.join(' | '),
    found: quantize,
  });
}
