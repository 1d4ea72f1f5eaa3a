/** What the plots share: a frame with a logarithmic axis, and marks that differ in shape as well
 *  as in colour. */

import type { TraceKind } from '../../model/trace-points.ts';
import { html, type Markup } from './markup.ts';
import { log10, powerOfTen } from './numbers.ts';

/** Which part of the model a tensor belongs to; a class name of the style sheet. */
export type Part = 'norm' | 'attention' | 'mlp' | 'stream';

/** Parts with the words of a legend. */
export const PARTS: readonly (readonly [Part, string])[] = [
  ['norm', 'norms'],
  ['attention', 'attention'],
  ['mlp', 'MLP'],
  ['stream', 'residual stream and logits'],
];

const PART_OF: Readonly<Record<TraceKind, Part>> = {
  inputIds: 'stream',
  embedding: 'stream',
  inputNorm: 'norm',
  wPack: 'attention',
  queryRotated: 'attention',
  keyRotated: 'attention',
  scores: 'attention',
  probs: 'attention',
  joined: 'attention',
  oProj: 'attention',
  attention: 'attention',
  postNorm: 'norm',
  gate: 'mlp',
  up: 'mlp',
  activated: 'mlp',
  gated: 'mlp',
  down: 'mlp',
  mlp: 'mlp',
  layer: 'stream',
  finalNorm: 'norm',
  lmHead: 'stream',
  logits: 'stream',
};

/** The part of a point. */
export function partOf(kind: TraceKind): Part {
  return PART_OF[kind];
}

/** A mark at (x, y): a square for norms, a circle for attention, a triangle for the MLP, a diamond
 *  for the stream. */
export function mark(part: Part, x: number, y: number, r: number): Markup {
  const [cx, cy] = [x, y].map(rounded);
  if (part === 'attention') return html`<circle cx="${cx}" cy="${cy}" r="${r}"/>`;
  const points: Record<Exclude<Part, 'attention'>, [number, number][]> = {
    norm: [
      ...([
        [-1, -1],
        [1, -1],
      ] as [number, number][]),
      ...([
        [1, 1],
        [-1, 1],
      ] as [number, number][]),
    ],
    mlp: [
      [0, -1.2],
      [1.2, 1],
      [-1.2, 1],
    ],
    stream: [
      [0, -1.4],
      [1.4, 0],
      [0, 1.4],
      [-1.4, 0],
    ],
  };
  const path = points[part].map(([dx, dy]) => `${rounded(x + dx * r)},${rounded(y + dy * r)}`);
  return html`<polygon points="${path.join(' ')}"/>`;
}

/** Coordinates with one decimal are finer than a screen. */
export function rounded(x: number): number {
  return Math.round(10 * x) / 10;
}

/** A logarithmic scale whose lowest lane holds 0 and whose highest holds what is not finite. */
export interface LogScale {
  readonly top: number;
  readonly bottom: number;
  /** Decades from and to, both drawn. */
  readonly from: number;
  readonly to: number;
  y(value: number): number;
}

/** Room for the lanes of 0 and of ∞. */
const LANE = 18;

/** A scale over all positive finite values. @param decades at least so many */
export function logScale(
  values: readonly number[],
  top: number,
  bottom: number,
  decades = 2,
): LogScale {
  const sizes = values.filter((x) => x > 0 && Number.isFinite(x)).map(log10);
  const from = Math.max(-40, Math.floor(Math.min(...(sizes.length > 0 ? sizes : [0]))));
  const to = Math.min(40, Math.max(from + decades, Math.ceil(Math.max(-40, ...sizes))));
  const [high, low] = [top + LANE, bottom - LANE];
  const y = (value: number) => {
    if (value === 0) return bottom - LANE / 3;
    if (!Number.isFinite(value)) return top + LANE / 3;
    const share = (log10(value) - from) / (to - from);
    return low - Math.min(1, Math.max(0, share)) * (low - high);
  };
  return { top, bottom, from, to, y };
}

/** Grid lines and labels of a logarithmic axis. @param x,width of the plot's area */
export function logAxis(scale: LogScale, x: number, width: number, zero: string): Markup {
  const every = Math.max(1, Math.ceil((scale.to - scale.from) / 9));
  const decades: number[] = [];
  for (let decade = scale.from; decade <= scale.to; decade += every) decades.push(decade);
  const line = (y: number, label: string, kind: string) => html`
<line class="${kind}" x1="${x}" x2="${x + width}" y1="${rounded(y)}" y2="${rounded(y)}"/>
<text class="tick" x="${x - 8}" y="${rounded(y + 4)}" text-anchor="end">${label}</text>`;
  return html`${decades.map((decade) => {
    const share = (decade - scale.from) / (scale.to - scale.from);
    const [low, high] = [scale.bottom - LANE, scale.top + LANE];
    return line(low - share * (low - high), powerOfTen(decade), 'grid');
  })}${line(scale.bottom - LANE / 3, zero, 'grid zero')}`;
}
