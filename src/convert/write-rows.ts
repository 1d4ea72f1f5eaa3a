/** The rows of a parameter, read, converted and given on in blocks of bounded size. */

import { throwIfAborted } from '../abort.ts';
import { readStoredRows } from '../engine/source-rows.ts';
import type { ParameterRows } from '../kernels/kernels.ts';
import { countNotFinite } from '../kernels/not-finite.ts';
import { macrotask } from '../turns.ts';
import { BLOCK_BYTES, type TargetTensor } from './targets.ts';

/** Rows of a packed block: what is quantized together. */
const ROW_STEP = 8;

export interface PassOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told what was read, and how many bytes. */
  readonly report: (tensor: string, bytes: number) => void;
  /** Told the weights of a tensor that are NaN or infinite. */
  readonly onNotFinite: (target: TargetTensor, count: number) => void;
}

/** The converted rows of a parameter, block by block; others get their turns in between.
 *  @throws aborted, io-… */
export async function* convertedBlocks(
  target: TargetTensor,
  { signal, report, onNotFinite }: PassOptions,
): AsyncGenerator<ParameterRows> {
  const { stored, shape } = target;
  const rows = shape.length < 2 ? 1 : shape[0];
  const bytesPerRow = stored.byteLength / rows;
  const step = Math.max(1, Math.floor(BLOCK_BYTES / (bytesPerRow * ROW_STEP))) * ROW_STEP;
  let notFinite = 0;
  for (let row = 0; row < rows; row += step) {
    throwIfAborted(signal);
    const count = Math.min(step, rows - row);
    const source = await readStoredRows(stored, row, count);
    notFinite += countNotFinite(source);
    yield target.convert(source);
    report(target.name, count * bytesPerRow);
    await macrotask();
  }
  if (notFinite > 0) onNotFinite(target, notFinite);
}
