/** Writes a converted model as one GGUF file, through the exporter of src/formats/gguf. */

import { throwIfAborted } from '../abort.ts';
import type { BaichuanConfig } from '../config.ts';
import { readStoredRows } from '../engine/source-rows.ts';
import { BaichuanError, quote } from '../errors.ts';
import type { ByteSink } from '../formats/byte-source.ts';
import type { StoredTensor } from '../formats/checkpoint.ts';
import type { GgufVocabulary } from '../formats/gguf/baichuan-metadata.ts';
import { type GgufPlan, planGguf, writePlannedGguf } from '../formats/gguf/export.ts';
import type { WritableType } from '../formats/gguf/ggml-types.ts';
import { rowTensor } from '../formats/row-tensor.ts';
import { countNotFinite } from '../kernels/not-finite.ts';
import { rowBytes } from '../kernels/wasm/layout.ts';
import { macrotask } from '../turns.ts';
import type { TargetTensor } from './targets.ts';
import type { PassOptions } from './write-rows.ts';

/** What the file is of. */
export interface GgufSource {
  readonly config: BaichuanConfig;
  readonly vocabulary: GgufVocabulary;
  readonly name: string;
  /** The bytes of generation_config.json, which have been parsed. */
  readonly generationConfigBytes: Uint8Array | undefined;
}

/** Keeps a byte order mark, so that the bytes come back. */
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The tensors of the file, nothing of which is read yet.
 *  @param type of llama.cpp's own rounding for the matrices; as the targets have it unless told
 *  @throws option-unsupported, gguf-architecture, shape-mismatch */
export function planConvertedGguf(
  { config, vocabulary, name, generationConfigBytes }: GgufSource,
  targets: readonly TargetTensor[],
  type: WritableType | undefined,
  options: Pick<PassOptions, 'signal' | 'onNotFinite'>,
): GgufPlan {
  const perRow = targets.find(({ dtype }) => dtype === 'I8' || dtype === 'I4');
  if (perRow !== undefined) throw perRowError(perRow);
  const tensors = new Map(targets.map((target) => [target.name, convertedTensor(target, options)]));
  const generationConfig = generationConfigBytes && DECODER.decode(generationConfigBytes);
  const model = { checkpoint: { tensors }, sizes: config, vocabulary, name, generationConfig };
  return planGguf(model, { type });
}

/** Writes the file; progress counts what is written.
 *  @throws aborted, io-…, gguf-finite, model-overflow */
export async function writeConvertedGguf(
  sink: ByteSink,
  plan: GgufPlan,
  { signal, report }: PassOptions,
): Promise<void> {
  const counting: ByteSink = {
    async write(bytes) {
      throwIfAborted(signal);
      await sink.write(bytes);
      report('model.gguf', bytes.length);
      await macrotask();
    },
  };
  await writePlannedGguf(counting, plan);
}

/** A parameter that is converted while it is read. */
function convertedTensor(
  target: TargetTensor,
  { signal, onNotFinite }: Pick<PassOptions, 'signal' | 'onNotFinite'>,
): StoredTensor {
  const { name, shape, stored, dtype } = target;
  const columns = shape.at(-1) ?? 1;
  return rowTensor(
    { name, shape, dtype, file: stored.file },
    {
      rowCount: shape.length < 2 ? 1 : shape[0],
      rowBytes: rowBytes(dtype, columns),
      async read(begin, end) {
        throwIfAborted(signal);
        const rows = await readStoredRows(stored, begin, end - begin);
        const count = countNotFinite(rows);
        if (count > 0) onNotFinite(target, count);
        return target.convert(rows).bytes;
      },
    },
  );
}

function perRowError({ name, dtype }: TargetTensor): BaichuanError {
  const type = dtype === 'I8' ? 'int8-channel' : 'int4-channel';
  return new BaichuanError('option-unsupported', {
    where: `tensor ${quote(name)}`,
    what: `GGUF has no type for ${type}, where a row has one scale.`,
    fix: 'Write safetensors, or floats with --type f16.',
    found: type,
  });
}
