/** The tensors of a checkpoint against its configuration, and their numbers as float32.
 *
 *  A configuration sizes no allocation: every parameter must be present with the shape that the
 *  configuration demands before the first byte of weights is read. */

import type { BaichuanConfig } from '../config.ts';
import { BaichuanError, quote } from '../errors.ts';
import type { Checkpoint, StoredTensor, StoredType } from '../formats/checkpoint.ts';
import { decodeRows } from '../formats/gguf/decode-rows.ts';
import { macrotask } from '../generate/turns.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { createWidener, type Widener } from '../kernels/wasm/module.ts';
import {
  type BaichuanWeights,
  isIgnoredTensor,
  loadWeights,
  parameterShapes,
} from '../model/weights.ts';
import { createTensor, elementCount, float32, type Tensor } from '../tensor/tensor.ts';
import { throwIfAborted } from './abort.ts';

/** Bytes of a tensor in flight between its file and the model. */
const BLOCK_BYTES = 4 * 1024 * 1024;

/** Bytes and elements that are read as one, of the types that weights may have. */
const UNIT_BYTES: Readonly<
  Partial<Record<StoredType, readonly [bytes: number, elements: number]>>
> = { F32: [4, 1], F16: [2, 1], BF16: [2, 1], Q8_0: [34, 32], Q4_0: [18, 32] };

/** How many names a message lists before it only counts them. */
const LISTED = 5;

/** Checks that the checkpoint holds exactly the parameters of the configuration.
 *  @throws model-missing, model-extra, model-shape, model-mix, model-dtype */
export function checkParameters(config: BaichuanConfig, checkpoint: Checkpoint): void {
  const shapes = parameterShapes(config);
  const missing = [...shapes.keys()].filter((name) => !checkpoint.tensors.has(name));
  if (missing.length > 0) throw missingParameters(missing, shapes.size);

  const stored = [...checkpoint.tensors.values()].filter(({ name }) => !isIgnoredTensor(name));
  const extra = stored.filter(({ name }) => !shapes.has(name));
  if (extra.length > 0) throw extraTensors(extra);

  const misshapen = stored.filter(({ name, shape }) => !sameShape(shape, shapes.get(name) ?? []));
  if (misshapen.length > 0) throw wrongShapes(misshapen, stored, shapes);

  const unreadable = stored.find(({ dtype }) => !Object.hasOwn(UNIT_BYTES, dtype));
  if (unreadable !== undefined) throw unreadableType(unreadable);
}

/** Reads every parameter into the layout of a kernel set.
 *  @param options.onNotice told once about NaN or infinite weights
 *  @throws aborted, model-dtype, io-… */
export async function readWeights(
  { config, checkpoint }: { config: BaichuanConfig; checkpoint: Checkpoint },
  kernels: Kernels,
  options: { signal?: AbortSignal | undefined; onNotice: (notice: string) => void },
): Promise<BaichuanWeights> {
  const widener = createWidener();
  const broken: string[] = [];
  const weights = await loadWeights(config, kernels, async (name) => {
    const stored = checkpoint.tensors.get(name);
    if (stored === undefined) throw missingParameters([name], parameterShapes(config).size);
    const { tensor, notFinite } = await readParameter(stored, widener, options.signal);
    const all = elementCount(tensor.shape);
    if (notFinite > 0) broken.push(`${name} (${stored.file}): ${notFinite} of ${all} weights`);
    return tensor;
  });
  if (broken.length > 0) {
    const others =
      broken.length > 1 ? `, and some of ${broken.length - 1} further parameters,` : '';
    options.onNotice(`${broken[0]}${others} are NaN or infinite, so the logits may be.`);
  }
  return weights;
}

/** One parameter as float32, and how many of its weights are no numbers. */
interface ReadParameter {
  readonly tensor: Tensor;
  readonly notFinite: number;
}

/** Reads one parameter, in blocks of at most 4 MiB, between which others get their turn.
 *  @throws aborted, model-dtype, io-… */
async function readParameter(
  stored: StoredTensor,
  widener: Widener,
  signal: AbortSignal | undefined,
): Promise<ReadParameter> {
  const tensor = createTensor(stored.shape);
  const target = float32(tensor);
  const [unitBytes, unitElements] = UNIT_BYTES[stored.dtype] ?? [0, 0];
  if (unitBytes === 0) throw unreadableType(stored);
  const step = Math.floor(BLOCK_BYTES / unitBytes) * unitBytes;
  let notFinite = 0;
  for (let byteOffset = 0; byteOffset < stored.byteLength; byteOffset += step) {
    throwIfAborted(signal);
    const byteLength = Math.min(step, stored.byteLength - byteOffset);
    const bytes = await stored.read(byteOffset, byteLength);
    const start = (byteOffset / unitBytes) * unitElements;
    if (stored.dtype === 'F32') asBytes(target).set(bytes, byteOffset);
    else if (stored.dtype === 'Q8_0' || stored.dtype === 'Q4_0') {
      target.set(decodeRows(stored.dtype, bytes), start);
    } else if (stored.dtype === 'BF16' || stored.dtype === 'F16') {
      widener.widen(stored.dtype, bytes, target, start);
    }
    const end = start + (byteLength / unitBytes) * unitElements;
    notFinite += countNotFinite(target.subarray(start, end));
    if (byteLength === step) await macrotask();
  }
  return { tensor, notFinite };
}

function countNotFinite(values: Float32Array): number {
  let count = 0;
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) count += 1;
  return count;
}

/** Files are little-endian, and so is every machine that WebAssembly engines run on. */
function asBytes(target: Float32Array): Uint8Array {
  return new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
}

function sameShape(shape: readonly number[], expected: readonly number[]): boolean {
  return shape.length === expected.length && shape.every((length, i) => length === expected[i]);
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, LISTED).map(quote).join(', ');
  return names.length > LISTED ? `${shown} and ${names.length - LISTED} more` : shown;
}

function missingParameters(missing: readonly string[], total: number): BaichuanError {
  return new BaichuanError('model-missing', {
    where: missing[0],
    what: `${missing.length} of ${total} parameters are not in the checkpoint: ${list(missing)}.`,
    fix: 'Use the config.json that came with these weights, and download every shard.',
    expected: total,
    found: total - missing.length,
  });
}

function extraTensors(extra: readonly StoredTensor[]): BaichuanError {
  const names = extra.map(({ name }) => name);
  return new BaichuanError('model-extra', {
    file: extra[0].file,
    where: quote(names[0]),
    what: `${extra.length} tensors belong to no parameter of this model: ${list(names)}.`,
    fix: 'Use the config.json that came with these weights, and remove tensors of other origin.',
  });
}

/** Shapes that fit in some files and not in others come from two models mixed in one folder. */
function wrongShapes(
  misshapen: readonly StoredTensor[],
  stored: readonly StoredTensor[],
  shapes: ReadonlyMap<string, readonly number[]>,
): BaichuanError {
  const [{ name, file, shape }] = misshapen;
  const wrongFiles = new Set(misshapen.map((tensor) => tensor.file));
  const rightFile = stored.find((tensor) => !wrongFiles.has(tensor.file))?.file;
  const expected = `[${(shapes.get(name) ?? []).join(', ')}]`;
  const found = `[${shape.join(', ')}]`;
  const what = `config.json demands the shape ${expected}, but the file has ${found}`;
  if (rightFile === undefined) {
    const fix = 'Use the config.json that came with these weights.';
    return new BaichuanError('model-shape', {
      file,
      where: name,
      what: `${what}.`,
      fix,
      expected,
      found,
    });
  }
  return new BaichuanError('model-mix', {
    file,
    where: name,
    what: `${what}, while the tensors of ${rightFile} fit: these shards are not of one model.`,
    fix: 'Download all shards of one model into an empty folder.',
    expected,
    found,
  });
}

function unreadableType({ name, file, dtype }: StoredTensor): BaichuanError {
  return new BaichuanError('model-dtype', {
    file,
    where: name,
    what: `Weights of type ${dtype} are not supported; F32, F16 and BF16 are.`,
    fix: 'Convert the checkpoint to one of these types.',
    expected: 'F32, F16 or BF16',
    found: dtype,
  });
}
