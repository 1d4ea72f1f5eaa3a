/** What a trace says about the model and the prompt that made it: from its metadata, and from the
 *  shapes of its tensors where the metadata is silent. */

import { type BaichuanConfig, CONFIG_PRESETS, MAX_CONFIG_BYTES, parseConfig } from '../config.ts';
import { BaichuanError } from '../errors.ts';
import { isJsonNumber, type JsonValue, parseJson } from '../json.ts';
import { type TraceKind, traceName, tracePlace, tracePoint } from '../model/trace-points.ts';
import { findEntry, readRow, type TraceSource } from './trace-source.ts';

/** The longest list of prompt ids that is read from metadata, in bytes. */
const MAX_IDS_BYTES = 16 * 2 ** 20;

/** Lengths of axes by their letters, as far as a trace shows them. */
export type TraceSizes = Partial<Record<'T' | 'C' | 'F' | 'V' | 'H' | 'D', number>>;

/** The configuration in the metadata, if any. @throws config-…, json-… */
export function configOf({ metadata, name }: TraceSource): BaichuanConfig | undefined {
  const text = metadata.get('config');
  if (text === undefined) return undefined;
  const json = parseJson(new TextEncoder().encode(text), {
    file: name,
    maxBytes: MAX_CONFIG_BYTES,
  });
  return parseConfig(json, { file: name });
}

/** `config.json` of a configuration, for a trace's metadata. */
export function configToJson(config: BaichuanConfig): string {
  const { architecture, position } = config;
  const contextKey = position === 'rope' ? 'max_position_embeddings' : 'model_max_length';
  return JSON.stringify({
    architectures: [architecture],
    model_type: 'baichuan',
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    [contextKey]: config.modelMaxLength,
    rms_norm_eps: config.rmsNormEps,
    hidden_act: 'silu',
    pad_token_id: config.padTokenId,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenId,
    tie_word_embeddings: false,
  });
}

/** The ids of the prompt, from `input_ids` or else the metadata; one list per row of a batch.
 *  @throws trace-metadata, json-…, io-… */
export async function promptsOf(trace: TraceSource): Promise<number[][] | undefined> {
  const entry = findEntry(trace, traceName('inputIds'));
  if (entry !== undefined) {
    const rows = Array.from({ length: entry.batch }, (_, row) => readRow(entry, row));
    return (await Promise.all(rows)).map((ids) => Array.from(ids));
  }
  const text = trace.metadata.get('prompt_ids');
  if (text === undefined) return undefined;
  const bytes = new TextEncoder().encode(text);
  const json = parseJson(bytes, { file: trace.name, maxBytes: MAX_IDS_BYTES });
  return [idsOf(json, trace.name)];
}

function idsOf(json: JsonValue, file: string): number[] {
  const values = Array.isArray(json) ? json : [];
  const ids = values.filter((id): id is number => typeof id === 'number' && !isJsonNumber(id));
  if (Array.isArray(json) && ids.length === values.length && ids.every(Number.isSafeInteger)) {
    return ids;
  }
  throw new BaichuanError('trace-metadata', {
    file,
    where: 'prompt_ids',
    what: 'The prompt in the metadata is no list of token ids.',
    fix: 'Write it as JSON, such as [5, 77, 9].',
  });
}

/** How the traced model knows positions: by its configuration, its class, or what it recorded. */
export function positionOf(trace: TraceSource): 'rope' | 'alibi' {
  const architecture = trace.metadata.get('architecture');
  if (architecture !== undefined) return architecture === 'BaiChuanForCausalLM' ? 'rope' : 'alibi';
  const config = configOf(trace);
  if (config !== undefined) return config.position;
  const isRotary = [...trace.entries.values()].some(({ kind }) => kind === 'queryRotated');
  return isRotary ? 'rope' : 'alibi';
}

/** The sizes that a trace shows. */
export function sizesOf(trace: TraceSource): TraceSizes {
  const sizes: TraceSizes = {};
  for (const { kind, shape } of trace.entries.values()) {
    if (kind === undefined || kind === 'inputIds') continue;
    tracePoint(kind).axes.forEach((axis, index) => {
      if (axis === '3C') sizes.C ??= shape[index] / 3;
      else if (axis !== 'S') sizes[axis as keyof TraceSizes] ??= shape[index];
    });
  }
  const { C, H, D } = sizes;
  if (C !== undefined && H !== undefined) sizes.D ??= C / H;
  if (C !== undefined && D !== undefined) sizes.H ??= C / D;
  const config = configOf(trace);
  if (config === undefined) return sizes;
  const { numAttentionHeads, headDim, hiddenSize, vocabSize, intermediateSize } = config;
  const told = { H: numAttentionHeads, D: headDim, C: hiddenSize, V: vocabSize };
  return { ...told, F: intermediateSize, ...sizes };
}

/** A configuration as complete as two traces allow, to recompute operations that need no weights.
 *  Undefined where the number of heads is not known. */
export function inferConfig(
  trace: TraceSource,
  other: TraceSource = trace,
): BaichuanConfig | undefined {
  const told = configOf(trace);
  if (told !== undefined) return told;
  const { C, F = 1, V = 1, H, D } = { ...sizesOf(other), ...sizesOf(trace) };
  if (C === undefined || H === undefined || D === undefined || H * D !== C) return undefined;
  const position = positionOf(trace);
  const preset = CONFIG_PRESETS[position === 'rope' ? 'baichuan-7b' : 'baichuan-13b'];
  const sizes = { hiddenSize: C, intermediateSize: F, vocabSize: V };
  const heads = { numAttentionHeads: H, headDim: D, numHiddenLayers: layersOf(trace) };
  return { ...preset, ...sizes, ...heads };
}

/** Decoder layers of the model, where the trace says; else those of which it shows something. */
export function layersOf(trace: TraceSource): number {
  let layers = configOf(trace)?.numHiddenLayers ?? 0;
  for (const { kind, layer, name } of trace.entries.values()) {
    if (kind !== undefined && isInLayer(kind, name)) layers = Math.max(layers, layer + 1);
  }
  return layers;
}

/** Whether a name is that of a point of a decoder layer. */
function isInLayer(kind: TraceKind, name: string): boolean {
  return tracePlace(name) !== undefined && traceName(kind, 0) !== traceName(kind, 1);
}
