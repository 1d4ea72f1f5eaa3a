/** A trace as a safetensors file: activations as F32, `input_ids` as I64, and what made it as
 *  metadata. */

import type { TensorToWrite } from '../formats/safetensors-writer.ts';
import type { ArithmeticClass } from '../verify/bars.ts';
import { type Trace, type TraceTensor, tapFilter } from '../verify/trace.ts';
import type { LanguageModel } from './language-model.ts';

/** The tensors and the metadata of a trace's file, in the order of execution.
 *  @param taps the patterns that the trace was made with, which decide about `input_ids` too */
export function traceTensorsToWrite(
  model: LanguageModel,
  trace: Trace,
  taps: readonly string[] = [],
): { tensors: TensorToWrite[]; metadata: Map<string, string> } {
  const { architecture } = model.config;
  const metadata = new Map([
    ['format', 'pt'],
    ['producer', 'baichuan-ts'],
    ['kernels', model.kernels],
    ['class', classOf(model)],
    ['architecture', architecture],
  ]);
  const ids = tapFilter(taps)('input_ids') ? [idsToWrite(trace.inputIds)] : [];
  return { tensors: [...ids, ...[...trace.tensors.values()].map(activationToWrite)], metadata };
}

/** How coarsely the model computes with the numbers of its file. Weights that a file has quantized
 *  are its numbers: only activations and caches in int8 round beside them. */
function classOf({
  quantize,
  activations,
  kvCache,
  plan,
}: Pick<LanguageModel, 'quantize' | 'activations' | 'kvCache' | 'plan'>): ArithmeticClass {
  if (quantize === 'int4' || quantize === 'int4-channel') return 'int4';
  const isQuantized = [...plan.formats.values()].some((format) => format.startsWith('int'));
  const isInteger = isQuantized && activations === 'fast';
  return quantize !== 'none' || isInteger || kvCache === 'int8' ? 'int8' : 'f32';
}

function activationToWrite({ name, shape, values }: TraceTensor): TensorToWrite {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dtype: 'F32', shape, chunks: [bytes] };
}

function idsToWrite(ids: readonly number[]): TensorToWrite {
  const values = BigInt64Array.from(ids, BigInt);
  const chunks = [new Uint8Array(values.buffer)];
  return { name: 'input_ids', dtype: 'I64', shape: [ids.length], chunks };
}
