/** The next-token distributions of one or two traces, position by position: likeliest tokens,
 *  probability of the token that followed, divergence. Logits are read a few rows at a time. */

import { exp } from '../../math/index.ts';
import { traceName } from '../../model/trace-points.ts';
import { collectLogitsStatistics, logNormalizer } from '../../verify/logits.ts';
import type { Numbers } from '../../verify/statistics.ts';
import { expectGoingOn } from '../pieces.ts';
import { findEntry, type TraceEntry } from '../trace-source.ts';
import type { Sides } from './attention-maps.ts';

/** A token of the vocabulary with its probability. */
export interface Ranked {
  readonly id: number;
  readonly probability: number;
}

export interface TokenSide {
  /** The likeliest first; empty where the scores are not numbers. */
  readonly top: readonly Ranked[];
  /** Of the token that followed. */
  readonly next: number | undefined;
}

export interface TokenRow {
  readonly position: number;
  readonly expected: TokenSide | undefined;
  readonly found: TokenSide | undefined;
  /** Where both sides are there. */
  readonly divergence: number | undefined;
}

/** One pair of scores of one token at one position. */
export interface LogitPoint {
  readonly position: number;
  readonly id: number;
  readonly expected: number;
  readonly found: number;
}

export interface TokenTable {
  /** Some of the positions, in order. */
  readonly rows: readonly TokenRow[];
  /** Positions in all. */
  readonly positions: number;
  /** Some of the scores of the rows. */
  readonly points: readonly LogitPoint[];
}

/** Rows that a report shows: the worst by divergence and the first. */
const MAX_ROWS = 96;
/** Likeliest tokens of a row. */
const TOP = 3;
/** Points of a scatter plot. */
const MAX_POINTS = 2400;
/** Elements that are read at once. */
const MAX_READ = 2 ** 20;

/** Measures every position of the logits that the sides share; undefined without logits.
 *  @param ids of the prompt @param row of a batch @throws io-…, aborted */
export async function collectTokens(
  { expected, found }: Sides,
  ids: readonly number[],
  row: number,
  signal?: AbortSignal,
): Promise<TokenTable | undefined> {
  const [one, other] = [expected, found].map(
    (side) => side && findEntry(side, traceName('logits')),
  );
  const [positions = 0, V = 0] = (one ?? other)?.shape ?? [];
  if (positions === 0 || V === 0) return undefined;
  const kept: TokenRow[] = [];
  const step = Math.max(1, Math.floor(MAX_READ / V));
  for (let start = 0; start < positions; start += step) {
    const count = Math.min(step, positions - start);
    expectGoingOn(signal, 'report');
    const [a, b] = await readRows([one, other], { start, count, row });
    for (let t = 0; t < count; t++) {
      const scores = [a, b].map((part) => part?.subarray(t * V, (t + 1) * V));
      kept.push(measureRow(start + t, scores, ids[start + t + 1]));
    }
    // Twice as many as are shown, so that sorting is rare.
    if (kept.length > 2 * MAX_ROWS) kept.splice(0, kept.length, ...chooseRows(kept));
  }
  const rows = chooseRows(kept);
  const points = one && other ? await collectPoints([one, other], rows, row) : [];
  return { rows, positions, points };
}

interface RowRange {
  readonly start: number;
  readonly count: number;
  /** Of a batch. */
  readonly row: number;
}

function readRows(
  entries: readonly (TraceEntry | undefined)[],
  { start, count, row }: RowRange,
): Promise<(Numbers | undefined)[]> {
  return Promise.all(
    entries.map(async (entry) => {
      if (entry === undefined) return undefined;
      const [T, V] = entry.shape;
      return entry.read((row * T + start) * V, count * V);
    }),
  );
}

/** The worst half by divergence and the first of the rest, in the order of positions. */
function chooseRows(rows: readonly TokenRow[]): TokenRow[] {
  if (rows.length <= MAX_ROWS) return [...rows];
  const worst = [...rows].sort((a, b) => (b.divergence ?? 0) - (a.divergence ?? 0));
  const chosen = new Set(worst.slice(0, MAX_ROWS / 2));
  for (const row of rows) if (chosen.size < MAX_ROWS) chosen.add(row);
  return [...chosen].sort((a, b) => a.position - b.position);
}

function measureRow(
  position: number,
  [expected, found]: readonly (Numbers | undefined)[],
  next: number | undefined,
): TokenRow {
  const sides = [expected, found].map((scores) => scores && sideOf(scores, next));
  let divergence: number | undefined;
  if (expected !== undefined && found !== undefined) {
    const statistics = collectLogitsStatistics();
    statistics.add(expected, found, undefined);
    divergence = statistics.result().klMax;
  }
  return { position, expected: sides[0], found: sides[1], divergence };
}

function sideOf(scores: Numbers, next: number | undefined): TokenSide {
  const ids = largest(scores, TOP);
  const normalizer = logNormalizer(scores);
  const probabilityOf = (id: number) => exp(scores[id] - normalizer);
  if (!Number.isFinite(normalizer)) return { top: [], next: undefined };
  const known = next !== undefined && next >= 0 && next < scores.length;
  return {
    top: ids.map((id) => ({ id, probability: probabilityOf(id) })),
    next: known ? probabilityOf(next) : undefined,
  };
}

/** Indices of the largest numbers, the largest first; of equal ones the first. */
export function largest(scores: ArrayLike<number>, count: number): number[] {
  const best: number[] = [];
  for (let id = 0; id < scores.length; id++) {
    if (best.length === count && !(scores[id] > scores[best[count - 1]])) continue;
    const at = best.findIndex((other) => scores[id] > scores[other]);
    best.splice(at < 0 ? best.length : at, 0, id);
    if (best.length > count) best.pop();
  }
  return best;
}

/** The likeliest tokens of every row and others spread evenly over the vocabulary. */
async function collectPoints(
  entries: readonly TraceEntry[],
  rows: readonly TokenRow[],
  batchRow: number,
): Promise<LogitPoint[]> {
  const points: LogitPoint[] = [];
  const each = Math.max(1, Math.floor(MAX_POINTS / rows.length));
  for (const { position, expected, found } of rows) {
    const [a, b] = await readRows(entries, { start: position, count: 1, row: batchRow });
    if (a === undefined || b === undefined) continue;
    const tops = [expected, found].flatMap((side) => side?.top.map(({ id }) => id) ?? []);
    const spread = Array.from({ length: Math.min(each, a.length) }, (_, i) =>
      Math.floor((i * a.length) / Math.min(each, a.length)),
    );
    for (const id of new Set([...tops, ...spread].slice(0, each))) {
      points.push({ position, id, expected: a[id], found: b[id] });
    }
  }
  return points;
}
