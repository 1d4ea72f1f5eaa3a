/** From any model that can be read to a folder of safetensors or to one GGUF file. What will be
 *  written, and how large it is, is known before: callers can look whether there is room. */

import type { BaichuanConfig } from '../config.ts';
import { QUANTIZATION_KEY, quantizationConfig } from '../config-quantization.ts';
import type { OpenedModel } from '../engine/load.ts';
import { type LoadProgress, progressReporter } from '../engine/progress.ts';
import { BaichuanError } from '../errors.ts';
import type { ByteSink } from '../formats/byte-source.ts';
import type { WritableType } from '../formats/gguf/ggml-types.ts';
import { readModelPieces } from '../tokenizer/index.ts';
import { type ConvertOptions, checkConvertOptions } from './convert-options.ts';
import { restoreNorms } from './norm-type.ts';
import { planSafetensors, quantizationOf, type SmallFile } from './safetensors-plan.ts';
import { areNormsKept, type FloatType, type TargetTensor, targetTensors } from './targets.ts';
import { planConvertedGguf, writeConvertedGguf } from './write-gguf.ts';
import type { PassOptions } from './write-rows.ts';
import { type FolderSink, writeSafetensorsFolder } from './write-safetensors.ts';

export type { FolderFile, FolderSink } from './write-safetensors.ts';

/** How a conversion may be watched and stopped. */
export interface ConvertPass {
  readonly signal?: AbortSignal | undefined;
  readonly onNotice?: ((notice: string) => void) | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** A conversion of which nothing has been read or written yet. */
export interface Conversion<Target> {
  /** Bytes of all files. */
  readonly totalBytes: number;
  /** Names of the files, in the order in which they are written; of a GGUF file none. */
  readonly names: readonly string[];
  /** What the linear layers become. */
  readonly dtype: string;
  /** @throws aborted, io-…, model-overflow, gguf-finite */
  write(target: Target): Promise<void>;
}

const FLOATS: Readonly<Record<string, FloatType>> = { f32: 'F32', f16: 'F16', bf16: 'BF16' };
const BLOCKS: Readonly<Record<string, WritableType>> = { q8_0: 'Q8_0', q4_0: 'Q4_0' };

/** Plans a conversion to safetensors.
 *  @param model must stay open until all is written
 *  @throws option-value, option-unsupported, directory-missing, tokenizer-…, io-… */
export async function convertToSafetensors(
  model: OpenedModel,
  options: ConvertOptions = {},
  pass: ConvertPass = {},
): Promise<Conversion<FolderSink>> {
  const { maxShardBytes } = checkConvertOptions({ ...options, format: 'safetensors' });
  const targets = await targetsOf(model, options, pass);
  const plan = planSafetensors(targets, maxShardBytes);
  const others = await otherFiles(model, targets);
  const otherBytes = others.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const watched = watch(targets, pass);
  return {
    totalBytes: plan.totalBytes + otherBytes,
    names: [...others, ...plan.others, ...plan.shards].map(({ name }) => name),
    dtype: linearType(targets),
    async write(folder) {
      await writeSafetensorsFolder(
        folder,
        plan,
        [...others, ...plan.others],
        watched.options(sourceBytes(targets)),
      );
      watched.finish();
    },
  };
}

/** Plans a conversion to GGUF.
 *  @param model must stay open until all is written
 *  @throws option-value, option-unsupported, directory-missing, tokenizer-…, gguf-architecture */
export async function convertToGguf(
  model: OpenedModel,
  options: ConvertOptions = {},
  pass: ConvertPass = {},
): Promise<Conversion<ByteSink>> {
  checkConvertOptions({ ...options, format: 'gguf' });
  const type = options.type === undefined ? undefined : BLOCKS[options.type];
  const given = type === undefined ? options : { ...options, type: undefined };
  const targets = await targetsOf(model, given, pass, true);
  const vocabulary = readModelPieces(await model.readTokenizerModel());
  const watched = watch(targets, pass);
  const { config, generationConfigBytes } = model;
  const source = { config, vocabulary, name: nameOf(model), generationConfigBytes };
  // A quantized row cannot be rounded to another type without its floats.
  const floats = type === undefined ? targets : await floatTargets(model, targets, type, pass);
  const plan = planConvertedGguf(source, floats, type, watched.options(0));
  const { totalBytes } = plan;
  return {
    totalBytes,
    names: [],
    dtype: type ?? linearType(targets),
    async write(sink) {
      await writeConvertedGguf(sink, plan, watched.options(totalBytes));
      watched.finish();
    },
  };
}

/** Parameters that llama.cpp's rounding will be applied to: those of one scale a row as F32. */
async function floatTargets(
  model: OpenedModel,
  targets: readonly TargetTensor[],
  type: WritableType,
  { onNotice = () => {} }: ConvertPass,
): Promise<readonly TargetTensor[]> {
  const again = targets.filter(({ dtype, role }) => {
    return role !== 'norm' && dtype !== type && !(dtype in { F32: 0, F16: 0, BF16: 0 });
  });
  if (again.length === 0) return targets;
  const [{ name, dtype }] = again;
  onNotice(`${again.length} tensors are quantized a second time (${name} from ${dtype}).`);
  const floats = await targetTensors(model, { type: 'F32' }, onNotice);
  const byName = new Map(floats.map((target) => [target.name, target]));
  return targets.map((target) =>
    again.includes(target) ? (byName.get(target.name) ?? target) : target,
  );
}

async function targetsOf(
  model: OpenedModel,
  { quantize, type }: ConvertOptions,
  { onNotice = () => {} }: ConvertPass,
  keepsNorms = false,
): Promise<TargetTensor[]> {
  const wanted = { quantize, type: type === undefined ? undefined : FLOATS[type], keepsNorms };
  const targets = await targetTensors(model, wanted, onNotice);
  return areNormsKept(wanted) ? restoreNorms(model.checkpoint, targets) : targets;
}

function sourceBytes(targets: readonly TargetTensor[]): number {
  return targets.reduce((sum, { stored }) => sum + stored.byteLength, 0);
}

function linearType(targets: readonly TargetTensor[]): string {
  return [
    ...new Set(targets.filter(({ role }) => role === 'linear').map(({ dtype }) => dtype)),
  ].join(', ');
}

/** The name of a folder or a file, without the path to it. */
function nameOf({ name }: OpenedModel): string {
  const last = name.split(/[\\/]/).findLast((part) => part !== '') ?? 'baichuan';
  return last.replace(/\.(gguf|safetensors|bin)$/i, '');
}

/** Gathers what is odd about the weights, to say it once. */
function watch(targets: readonly TargetTensor[], { signal, onNotice, onProgress }: ConvertPass) {
  const broken = new Set<string>();
  return {
    options: (totalBytes: number): PassOptions => ({
      signal,
      report: progressReporter('convert', totalBytes, onProgress),
      onNotFinite: ({ name }) => broken.add(name),
    }),
    finish: () => {
      const [first] = broken;
      if (first === undefined) return;
      const what = `${broken.size} of ${targets.length} parameters hold NaN or infinite weights`;
      onNotice?.(`${what}, ${first} first; baichuan verify tells where.`);
    },
  };
}

/** What belongs beside the weights of a folder. */
async function otherFiles(
  model: OpenedModel,
  targets: readonly TargetTensor[],
): Promise<SmallFile[]> {
  const { configBytes, config, generationConfigBytes } = model;
  const files: SmallFile[] = [
    { name: 'config.json', bytes: configFor(configBytes, config, targets) },
  ];
  if (generationConfigBytes !== undefined) {
    files.push({ name: 'generation_config.json', bytes: generationConfigBytes });
  }
  if (model.hasTokenizer) {
    files.push({ name: 'tokenizer.model', bytes: await model.readTokenizerModel() });
  }
  return files;
}

const TORCH_TYPES: Readonly<Record<string, BaichuanConfig['torchDtype']>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

/** The configuration that fits converted weights: the file's own bytes where nothing changes. */
function configFor(
  bytes: Uint8Array,
  config: BaichuanConfig,
  targets: readonly TargetTensor[],
): Uint8Array {
  const quantization = quantizationOf(targets);
  const torchDtype = TORCH_TYPES[linearType(targets)] ?? config.torchDtype;
  if (quantization === config.quantization && torchDtype === config.torchDtype) return bytes;
  const fields = JSON.parse(new TextDecoder().decode(bytes));
  if (typeof fields !== 'object' || fields === null) throw configError();
  delete fields[QUANTIZATION_KEY];
  if (quantization !== undefined) fields[QUANTIZATION_KEY] = quantizationConfig(quantization);
  if (torchDtype !== undefined) fields['dtype' in fields ? 'dtype' : 'torch_dtype'] = torchDtype;
  return new TextEncoder().encode(`${JSON.stringify(fields, null, 2)}\n`);
}

function configError(): BaichuanError {
  return new BaichuanError('config-field', {
    file: 'config.json',
    what: 'an object is needed here.',
    fix: 'Take the config.json that was published with the model.',
  });
}
