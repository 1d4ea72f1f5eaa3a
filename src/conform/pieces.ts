/** Two tensors of two traces, read side by side in pieces of whole rows: the next piece is on its
 *  way while the present one is compared. */

import { BaichuanError } from '../errors.ts';
import { tracePoint } from '../model/trace-points.ts';
import { elementCount } from '../tensor/tensor.ts';
import { ROTARY_SLACK } from '../verify/bars.ts';
import { collectLogitsStatistics, type LogitsStatistics } from '../verify/logits.ts';
import {
  collectStatistics,
  isBeyond,
  type Numbers,
  type TensorStatistics,
} from '../verify/statistics.ts';
import type { TraceEntry } from './trace-source.ts';

/** Elements of a piece, 256 KiB of float32: two of them stay in the cache, and their memory is
 *  taken again for the next. With pieces of 4 MiB, first touches took more than the sums. */
const PIECE = 2 ** 16;

/** Elements of two tensors, side by side. */
export interface Piece {
  /** Index of its first element in the whole tensor. */
  readonly start: number;
  readonly expected: Numbers;
  readonly found: Numbers;
}

/** Pieces of whole rows of the last axis, or of one row where it is longer. */
export async function* piecesOf(
  expected: TraceEntry,
  found: TraceEntry,
  signal?: AbortSignal,
): AsyncGenerator<Piece> {
  const width = Math.max(1, expected.shape.at(-1) ?? 1);
  const total = expected.batch * elementCount(expected.shape);
  const step = Math.max(1, Math.floor(PIECE / width)) * width;
  const readPiece = async (start: number): Promise<Piece> => {
    const count = Math.min(step, total - start);
    const [a, b] = await Promise.all([expected.read(start, count), found.read(start, count)]);
    return { start, expected: a, found: b };
  };
  let next = total > 0 ? readPiece(0) : undefined;
  for (let start = 0; next !== undefined; start += step) {
    const piece = await next;
    next = start + step < total ? readPiece(start + step) : undefined;
    // A failure meanwhile belongs to the next turn of the loop.
    next?.catch(() => {});
    expectGoingOn(signal);
    yield piece;
  }
}

/** Goes on unless the caller stopped the work. @throws aborted */
export function expectGoingOn(
  signal: AbortSignal | undefined,
  where: 'compare' | 'report' = 'compare',
): void {
  if (signal?.aborted !== true) return;
  throw new BaichuanError('aborted', {
    where,
    what: 'The caller interrupted the work.',
    fix: 'Run it again to finish.',
  });
}

/** Everything that is measured of a pair of tensors.
 *  @param options.labels ids of the prompt, for the perplexity of logits
 *  @param options.bar within which two logits are tied */
export async function comparePieces(
  expected: TraceEntry,
  found: TraceEntry,
  options: {
    readonly labels: readonly number[] | undefined;
    readonly bar: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<{ statistics: TensorStatistics; logits: LogitsStatistics | undefined }> {
  const statistics = collectStatistics();
  const { kind } = expected;
  const width = Math.max(1, expected.shape.at(-1) ?? 1);
  const logits =
    kind === 'logits' || kind === 'lmHead' ? collectLogitsStatistics(options.bar) : undefined;
  const isRotary = kind === 'queryRotated' || kind === 'keyRotated';
  for await (const piece of piecesOf(expected, found, options.signal)) {
    if (!isRotary) statistics.add(piece.expected, piece.found);
    if (!isRotary && logits === undefined) continue;
    for (let at = 0; at < piece.expected.length; at += width) {
      const [a, b] = [piece.expected, piece.found].map((x) => x.subarray(at, at + width));
      const row = (piece.start + at) / width;
      if (isRotary) statistics.add(a, b, rotarySlack(a, row % expected.shape[1]));
      logits?.add(a, b, labelOf(row, expected, options.labels));
    }
  }
  return { statistics: statistics.result(), logits: logits?.result() };
}

/** How far the channels of a token may differ, as its angles may be off by position · 2⁻²³.
 *  @param row channels of one head */
export function rotarySlack(row: Numbers, position: number): number {
  let largest = 0;
  for (let i = 0; i < row.length; i++) largest = Math.max(largest, Math.abs(row[i]));
  return position * ROTARY_SLACK * Math.SQRT2 * largest;
}

/** The id that follows a row of logits within its prompt. */
function labelOf(
  row: number,
  { shape: [T] }: TraceEntry,
  labels: readonly number[] | undefined,
): number | undefined {
  return row % T === T - 1 ? undefined : labels?.[row + 1];
}

/** Where an element lies, and both numbers. */
export interface FirstElement {
  readonly position: number | null;
  readonly head: number | null;
  readonly channel: number | null;
  readonly expected: number;
  readonly found: number;
}

/** The first element that differs by more than is allowed: of the lowest position, then head, then
 *  channel.
 *  @param options.headDim D, where heads stand side by side in the channels */
export async function firstBeyond(
  expected: TraceEntry,
  found: TraceEntry,
  options: FirstOptions,
): Promise<FirstElement | undefined> {
  let best: FirstElement | undefined;
  for await (const piece of piecesOf(expected, found)) {
    best = firstInPiece(expected, piece, options, best);
  }
  return best;
}

export interface FirstOptions {
  readonly allowed: number;
  readonly headDim?: number | undefined;
}

/** The first element beyond within a piece, or `best` if that comes before.
 *  @param tensor kind and shape of the whole */
export function firstInPiece(
  tensor: Pick<TraceEntry, 'kind' | 'shape'>,
  piece: Piece,
  { allowed, headDim }: FirstOptions,
  best?: FirstElement,
): FirstElement | undefined {
  const isRotary = tensor.kind === 'queryRotated' || tensor.kind === 'keyRotated';
  const width = Math.max(1, tensor.shape.at(-1) ?? 1);
  let slack = 0;
  let first = best;
  for (let i = 0; i < piece.expected.length; i++) {
    if (isRotary && i % width === 0) {
      const row = piece.expected.subarray(i, i + width);
      slack = rotarySlack(row, ((piece.start + i) / width) % tensor.shape[1]);
    }
    const e = piece.expected[i];
    const f = piece.found[i];
    if (!isBeyond(e, f, allowed + slack)) continue;
    const place = placeOf(tensor, piece.start + i, headDim);
    if (first === undefined || isBefore(place, first)) first = { ...place, expected: e, found: f };
  }
  return first;
}

type Place = Pick<FirstElement, 'position' | 'head' | 'channel'>;

function isBefore(a: Place, b: Place): boolean {
  const keys = ({ position, head, channel }: Place) => [position ?? 0, head ?? 0, channel ?? 0];
  const [first, second] = [keys(a), keys(b)];
  const differing = first.findIndex((key, index) => key !== second[index]);
  return differing >= 0 && first[differing] < second[differing];
}

function placeOf(
  { kind, shape }: Pick<TraceEntry, 'kind' | 'shape'>,
  index: number,
  headDim: number | undefined,
): Place {
  const axes = kind === undefined ? [] : tracePoint(kind).axes;
  const coordinates: Partial<Record<string, number>> = {};
  let rest = index % Math.max(1, elementCount(shape));
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    coordinates[axes[axis] ?? axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  const last = axes.at(-1) ?? '';
  const channel = axes.length > 1 ? (coordinates[last] ?? null) : null;
  const inHeads = (kind === 'wPack' || kind === 'joined') && headDim !== undefined;
  const hidden = kind === 'wPack' ? shape[1] / 3 : shape[1];
  const headOf = (x: number) => Math.floor((x % hidden) / (headDim ?? 1));
  const head = coordinates['H'] ?? (inHeads && channel !== null ? headOf(channel) : null);
  return { position: coordinates['T'] ?? null, head, channel };
}
