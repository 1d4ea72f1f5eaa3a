/** Attention maps of one or two traces, small enough to be embedded: one byte a cell, heads chosen
 *  where not all fit, blocks of tokens where the prompt is long.
 *
 *      probability   round(255 · √p)                the root keeps small ones visible
 *      difference    128 ± n, n = 127 + 14 · lg |d|  found − expected: n = 1 … 127 for 10⁻⁹ … 1
 *
 *  A cell of a block shows the mean probability and the largest difference. */

import { type TracePlace, traceName } from '../../model/trace-points.ts';
import { expectGoingOn } from '../pieces.ts';
import { layersOf } from '../trace-model.ts';
import { findEntry, type TraceEntry, type TraceSource } from '../trace-source.ts';
import type { AttentionData } from './data.ts';
import { log10 } from './numbers.ts';
import type { SpelledPrompt } from './tokens.ts';

/** Bytes of all maps of one kind, before base64. */
const MAX_BYTES = 800_000;

/** Cells along an axis. */
const MAX_CELLS = 64;

/** Elements that are read at once. */
const MAX_READ = 2 ** 20;

/** The sides of a report; one of them may be missing. */
export interface Sides {
  readonly expected?: TraceSource | undefined;
  readonly found?: TraceSource | undefined;
}

export interface MapOptions {
  readonly prompt: SpelledPrompt;
  /** Row of a batch. */
  readonly row: number;
  /** Heads that must be among those shown, the most interesting first. */
  readonly first: readonly (readonly [number, number])[];
  readonly signal?: AbortSignal | undefined;
}

interface LayerMaps {
  readonly layer: number;
  readonly expected: TraceEntry | undefined;
  readonly found: TraceEntry | undefined;
}

/** Collects the maps of every layer that a side recorded probabilities of; undefined without any.
 *  @throws io-…, aborted */
export async function collectAttention(
  sides: Sides,
  { prompt, row, first, signal }: MapOptions,
): Promise<AttentionData | undefined> {
  const layers = layersOfMaps(sides);
  const shape = (layers[0]?.expected ?? layers[0]?.found)?.shape;
  if (shape === undefined) return undefined;
  const [heads, tokens] = shape;
  const block = Math.max(1, Math.ceil(tokens / MAX_CELLS));
  const cells = Math.ceil(tokens / block);
  const limit = Math.max(1, Math.floor(MAX_BYTES / (cells * cells)));
  const places = choosePlaces(layers, heads, { limit, first });
  const maps = { expected: newMaps(), found: newMaps(), difference: newMaps() };
  for (const [layer, head] of places) {
    expectGoingOn(signal, 'report');
    const entries = layers.find((candidate) => candidate.layer === layer);
    const map = await readMap(entries, { head, row, block });
    maps.expected.push(map.expected);
    maps.found.push(map.found);
    maps.difference.push(map.difference);
  }
  const [wanted] = first;
  const chosen = places.findIndex(([l, h]) => l === wanted?.[0] && h === wanted[1]);
  return {
    ...{ tokens, block, cells, places, chosen: Math.max(0, chosen) },
    labels: Array.from({ length: cells }, (_, cell) => labelOf(prompt, cell * block)),
    expected: encode(maps.expected),
    found: encode(maps.found),
    difference: encode(maps.difference),
  };
}

type MaybeBytes = Uint8Array | undefined;

function newMaps(): MaybeBytes[] {
  return [];
}

function labelOf({ ids, spell }: SpelledPrompt, position: number): string {
  return position < ids.length ? spell(ids[position]) : `position ${position}`;
}

function layersOfMaps({ expected, found }: Sides): LayerMaps[] {
  const count = Math.max(...[expected, found].map((side) => (side ? layersOf(side) : 0)));
  const layers: LayerMaps[] = [];
  for (let layer = 0; layer < count; layer++) {
    const place: TracePlace = { kind: 'probs', layer };
    const [one, other] = [expected, found].map(
      (side) => side && findEntry(side, traceName(place.kind, layer)),
    );
    if (one !== undefined || other !== undefined) {
      layers.push({ layer, expected: one, found: other });
    }
  }
  // Shapes of one model are the same; what is not is left to the verdict.
  const shape = (layers[0]?.expected ?? layers[0]?.found)?.shape.join();
  return layers.filter(({ expected: a, found: b }) =>
    [a, b].every((entry) => entry === undefined || entry.shape.join() === shape),
  );
}

/** All heads, or those asked for and as many of every layer as fit, in order. */
function choosePlaces(
  layers: readonly LayerMaps[],
  heads: number,
  { limit, first }: { limit: number; first: MapOptions['first'] },
): (readonly [number, number])[] {
  const each = Math.max(1, Math.min(heads, Math.floor(limit / layers.length)));
  const known = new Set(layers.map(({ layer }) => layer));
  const chosen = new Map<number, readonly [number, number]>();
  const add = (layer: number, head: number) => {
    if (chosen.size < limit) chosen.set(layer * heads + head, [layer, head]);
  };
  for (const [layer, head] of first) if (known.has(layer) && head < heads) add(layer, head);
  for (const { layer } of layers) {
    for (let i = 0; i < each; i++) add(layer, Math.floor((i * heads) / each));
  }
  return [...chosen].sort(([a], [b]) => a - b).map(([, place]) => place);
}

interface MapPlace {
  readonly head: number;
  readonly row: number;
  readonly block: number;
}

interface HeadMaps {
  readonly expected: MaybeBytes;
  readonly found: MaybeBytes;
  readonly difference: MaybeBytes;
}

/** One head of both sides, band by band of whole blocks. */
async function readMap(entries: LayerMaps | undefined, place: MapPlace): Promise<HeadMaps> {
  const { expected, found } = entries ?? {};
  const one = expected ?? found;
  if (one === undefined) return { expected: undefined, found: undefined, difference: undefined };
  const [, T] = one.shape;
  const { block } = place;
  const cells = Math.ceil(T / block);
  const bandRows = block * Math.max(1, Math.floor(MAX_READ / Math.max(1, T * block)));
  const sums = [expected, found].map(() => new Float64Array(cells * cells));
  const differences = new Float64Array(cells * cells);
  for (let start = 0; start < T; start += bandRows) {
    const count = Math.min(bandRows, T - start);
    const bands = await Promise.all(
      [expected, found].map((entry) => readBand(entry, place, start, count)),
    );
    addBand(sums, differences, bands, { T, start, block, cells });
  }
  const counts = (cell: number) => {
    const side = (index: number) => Math.min(block, T - index * block);
    return side(Math.floor(cell / cells)) * side(cell % cells);
  };
  const probabilities = sums.map((all) =>
    Uint8Array.from(all, (sum, cell) => probabilityByte(sum / counts(cell))),
  );
  const both = expected !== undefined && found !== undefined;
  return {
    expected: expected && probabilities[0],
    found: found && probabilities[1],
    difference: both ? Uint8Array.from(differences, differenceByte) : undefined,
  };
}

async function readBand(
  entry: TraceEntry | undefined,
  { head, row }: MapPlace,
  start: number,
  count: number,
): Promise<ArrayLike<number> | undefined> {
  if (entry === undefined) return undefined;
  const [heads, T, S] = entry.shape;
  return entry.read(((row * heads + head) * T + start) * S, count * S);
}

interface Grid {
  readonly T: number;
  readonly start: number;
  readonly block: number;
  readonly cells: number;
}

/** Adds the probabilities of a band to their cells, and keeps the largest differences.
 *  @param sums (overwritten) @param differences (overwritten) */
function addBand(
  sums: readonly Float64Array[],
  differences: Float64Array,
  [a, b]: readonly (ArrayLike<number> | undefined)[],
  { T, start, block, cells }: Grid,
): void {
  const length = (a ?? b)?.length ?? 0;
  for (let i = 0; i < length; i++) {
    const row = Math.floor((start + Math.floor(i / T)) / block);
    const cell = row * cells + Math.floor((i % T) / block);
    if (a !== undefined) sums[0][cell] += a[i];
    if (b !== undefined) sums[1][cell] += b[i];
    if (a === undefined || b === undefined || Object.is(a[i], b[i])) continue;
    const difference = b[i] - a[i];
    if (!(Math.abs(difference) <= Math.abs(differences[cell]))) differences[cell] = difference;
  }
}

/** One byte of a probability; what is none shows as 0. */
export function probabilityByte(p: number): number {
  return Math.round(255 * Math.sqrt(Math.min(1, Math.max(0, p || 0))));
}

/** One byte of a difference; what is no number is as far as can be. */
export function differenceByte(difference: number): number {
  if (difference === 0) return 128;
  const size = Math.abs(difference);
  const steps = Number.isFinite(size) ? Math.round(127 + 14 * log10(size)) : 127;
  const n = Math.max(1, Math.min(127, steps));
  return difference < 0 ? 128 - n : 128 + n;
}

/** Base64 of all maps, or undefined where a layer has none on this side. */
function encode(maps: readonly MaybeBytes[]): string | undefined {
  const parts: string[] = [];
  for (const map of maps) {
    if (map === undefined) return undefined;
    for (let at = 0; at < map.length; at += 4096) {
      parts.push(String.fromCharCode(...map.subarray(at, at + 4096)));
    }
  }
  return btoa(parts.join(''));
}
