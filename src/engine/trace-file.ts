/** A trace as a safetensors file: activations as F32, `input_ids` as I64, and what made it as
 *  metadata. Sizes are known before anything is computed, so the header comes first and every
 *  activation goes to its place as it is recorded: memory holds those of one chunk. */

import { BaichuanError, quote } from '../errors.ts';
import type { PlacedByteSink } from '../formats/byte-source.ts';
import {
  safetensorsHeader,
  storedByteLength,
  type TensorDescription,
} from '../formats/safetensors-writer.ts';
import type { ArithmeticClass } from '../verify/bars.ts';
import { expectMatches, tapFilter } from '../verify/trace.ts';
import { expectTaps } from './inputs.ts';
import type { LanguageModel, TraceOptions } from './language-model.ts';
import { planTrace } from './trace-plan.ts';

export interface TraceFileOptions extends TraceOptions {
  /** What the file says about itself besides class, kernels and architecture. */
  readonly metadata?: ReadonlyMap<string, string> | undefined;
}

/** Writes every activation of one prefill into a file.
 *  @param file an empty one @returns how many tensors it has
 *  @throws what `LanguageModel.trace` does, and what the file throws */
export async function writeTrace(
  model: LanguageModel,
  ids: readonly number[],
  file: PlacedByteSink,
  options: TraceFileOptions = {},
): Promise<{ tensors: number }> {
  const { taps = [], metadata = new Map() } = options;
  expectTaps(taps);
  const plan = planTrace(model.config, ids.length);
  const names = plan.map(({ name }) => name);
  expectMatches(taps, names);
  const filter = tapFilter(taps);
  const tensors = plan
    .filter(({ name }) => filter(name))
    .map(({ name, kind, shape }): TensorDescription => {
      return { name, dtype: kind === 'inputIds' ? 'I64' : 'F32', shape };
    });
  const header = safetensorsHeader(tensors, new Map([...ownMetadata(model), ...metadata]));
  const places = placesOf(tensors, header.length);
  await file.writeAt(0, header);
  const sink = async ({
    name,
    start,
    values,
  }: {
    name: string;
    start: number;
    values: Float32Array;
  }) => {
    const { buffer, byteOffset, byteLength } = values;
    const place = places.take(name, values.length, start);
    await file.writeAt(place, new Uint8Array(buffer, byteOffset, byteLength));
  };
  await model.recordTrace(ids, sink, { taps, signal: options.signal });
  for (const { name, dtype } of tensors) {
    if (dtype === 'I64') await file.writeAt(places.take(name, ids.length, 0), idBytes(ids));
  }
  places.expectComplete();
  return { tensors: tensors.length };
}

interface Places {
  /** The byte where elements of a tensor go. */
  take(name: string, count: number, start: number): number;
  /** @throws shape-mismatch when elements are missing */
  expectComplete(): void;
}

/** Where tensors lie behind a header of so many bytes, and how much of each is written. */
function placesOf(tensors: readonly TensorDescription[], headerBytes: number): Places {
  const places = new Map<string, { begin: number; elementBytes: number; left: number }>();
  let end = headerBytes;
  for (const tensor of tensors) {
    const elementBytes = tensor.dtype === 'I64' ? 8 : 4;
    const byteLength = storedByteLength(tensor);
    places.set(tensor.name, { begin: end, elementBytes, left: byteLength / elementBytes });
    end += byteLength;
  }
  return {
    take(name, count, start) {
      const place = places.get(name);
      if (place === undefined || place.left < count) throw unplanned(name);
      place.left -= count;
      return place.begin + start * place.elementBytes;
    },
    expectComplete() {
      for (const [name, { left }] of places) if (left !== 0) throw unplanned(name);
    },
  };
}

function unplanned(name: string): BaichuanError {
  return new BaichuanError('shape-mismatch', {
    where: `tensor ${quote(name)}`,
    what: 'The engine recorded other elements of it than were planned.',
    fix: 'Please report it with the model and the prompt.',
  });
}

function idBytes(ids: readonly number[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(ids, BigInt).buffer);
}

function ownMetadata(model: LanguageModel): Map<string, string> {
  return new Map([
    ['format', 'pt'],
    ['producer', 'baichuan-ts'],
    ['kernels', model.kernels],
    ['class', classOf(model)],
    ['architecture', model.config.architecture],
  ]);
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
