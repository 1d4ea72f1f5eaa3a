/** From files into an engine: every parameter in blocks of whole rows. While the engine widens,
 *  quantizes and packs some blocks, the next ones are read, and searched for NaN and infinities. */

import { throwIfAborted } from '../abort.ts';
import type { BaichuanConfig } from '../config.ts';
import type { Checkpoint, StoredTensor } from '../formats/checkpoint.ts';
import type { WeightFormat } from '../kernels/kernels.ts';
import { countNotFinite } from '../kernels/not-finite.ts';
import { PACK_ROWS } from '../kernels/wasm/layout.ts';
import { parameterTable } from '../model/weights.ts';
import { macrotask } from '../turns.ts';
import type { Engine } from './engine.ts';
import { BLOCK_BYTES } from './plan.ts';
import { type LoadProgress, progressReporter } from './progress.ts';
import { isRequantized, readStoredRows, rowsForEngine } from './source-rows.ts';

/** Blocks that were read and are not yet packed, at most. */
const BLOCKS_IN_FLIGHT = 3;

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told once about NaN or infinite weights. */
  readonly onNotice: (notice: string) => void;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** Where weights go, and how each is held there. */
export interface WeightTarget {
  readonly engine: Engine;
  readonly formats: ReadonlyMap<string, WeightFormat>;
}

/** What becomes of one parameter. */
interface Goal {
  readonly format: WeightFormat;
  readonly isTable: boolean;
}

/** Reads every parameter into an engine. @throws aborted, io-… */
export async function readWeights(
  { config, checkpoint }: { config: BaichuanConfig; checkpoint: Checkpoint },
  { engine, formats }: WeightTarget,
  options: ReadOptions,
): Promise<void> {
  const table = parameterTable(config);
  const stored = [...table.keys()].flatMap((name) => checkpoint.tensors.get(name) ?? []);
  const goalOf = ({ name }: StoredTensor): Goal => ({
    format: formats.get(name) ?? 'f32',
    isTable: table.get(name)?.role === 'embedding',
  });
  noticeRequantized(stored, goalOf, options.onNotice);
  const totalBytes = stored.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const report = progressReporter('weights', totalBytes, options.onProgress);
  const broken: string[] = [];
  for (const tensor of stored) {
    const notFinite = await readParameter(tensor, goalOf(tensor), engine, options.signal, report);
    if (notFinite === 0) continue;
    const all = tensor.shape.reduce((product, length) => product * length, 1);
    broken.push(`${tensor.name} (${tensor.file}): ${notFinite} of ${all} weights`);
  }
  if (broken.length === 0) return;
  const others = broken.length > 1 ? `, and some of ${broken.length - 1} further parameters,` : '';
  options.onNotice(`${broken[0]}${others} are NaN or infinite, so the logits may be.`);
}

/** Reads one parameter; others get their turns between its blocks.
 *  @returns how many of its weights are no numbers */
async function readParameter(
  stored: StoredTensor,
  { format, isTable }: Goal,
  engine: Engine,
  signal: AbortSignal | undefined,
  report: (tensor: string, bytes: number) => void,
): Promise<number> {
  const [rows, columns] = stored.shape.length === 1 ? [1, stored.shape[0]] : stored.shape;
  const bytesPerRow = stored.byteLength / rows;
  // What is quantized anew becomes float32 on its way.
  const isWidened = isRequantized(stored.dtype, format, isTable);
  const wideBytes = isWidened ? Float32Array.BYTES_PER_ELEMENT * columns : bytesPerRow;
  const blockRows = Math.max(1, Math.floor(BLOCK_BYTES / (wideBytes * PACK_ROWS))) * PACK_ROWS;
  const inFlight: Promise<void>[] = [];
  let notFinite = 0;
  try {
    for (let row = 0; row < rows; row += blockRows) {
      throwIfAborted(signal);
      const count = Math.min(blockRows, rows - row);
      const source = await readStoredRows(stored, row, count);
      notFinite += countNotFinite(source);
      const written = engine.write(
        stored.name,
        row,
        rowsForEngine(source, format, columns, isTable),
      );
      written.catch(() => undefined);
      inFlight.push(written);
      if (inFlight.length >= BLOCKS_IN_FLIGHT) await inFlight.shift();
      report(stored.name, count * bytesPerRow);
      if (row + blockRows < rows) await macrotask();
    }
  } finally {
    // Nothing may still be on its way when an error is reported.
    await Promise.allSettled(inFlight);
  }
  await Promise.all(inFlight);
  return notFinite;
}

/** Says once when integers of a file are not taken as they are. */
function noticeRequantized(
  stored: readonly StoredTensor[],
  goalOf: (tensor: StoredTensor) => Goal,
  onNotice: (notice: string) => void,
): void {
  const requantized = stored.filter((tensor) => {
    const { format, isTable } = goalOf(tensor);
    return isRequantized(tensor.dtype, format, isTable);
  });
  if (requantized.length === 0) return;
  const [{ name, dtype }] = requantized;
  onNotice(
    `${requantized.length} tensors are quantized a second time (${name} from ${dtype}), which ` +
      'costs accuracy; --quantize none takes them as they are.',
  );
}
