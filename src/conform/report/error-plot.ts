/** Error by depth: every tensor in the order of execution, its largest difference relative to the
 *  largest magnitude, and the bar it is held to, on one logarithmic axis; and the same as a grid of
 *  tensors by layers, coloured by how far each lies from its bar. */

import { type TraceKind, tracePoint } from '../../model/trace-points.ts';
import type { TensorVerdict } from '../compare-traces.ts';
import { type Fragment, html, type Markup } from './markup.ts';
import { log10, scientific } from './numbers.ts';
import { logAxis, logScale, mark, PARTS, partOf, rounded } from './svg.ts';

const [WIDTH, HEIGHT] = [1040, 380];
const AREA = { left: 62, right: 12, top: 12, bottom: 44 };

/** A tensor that was measured, and the id of its row in the table. */
export interface PlottedTensor {
  readonly verdict: TensorVerdict;
  readonly id: string;
}

interface Slot {
  readonly name: string;
  readonly tensors: readonly PlottedTensor[];
}

/** Layers stand side by side, each as wide as the next. */
function slotsOf(tensors: readonly PlottedTensor[]): Slot[] {
  const slots = new Map<string, PlottedTensor[]>();
  for (const tensor of tensors) {
    const name = slotName(tensor.verdict);
    slots.set(name, [...(slots.get(name) ?? []), tensor]);
  }
  return [...slots].map(([name, inSlot]) => ({ name, tensors: inSlot }));
}

/** The layer, or what stands before and behind the layers. */
function slotName({ kind, layer, name }: TensorVerdict): string {
  const { order } = tracePoint(kind);
  if (order <= tracePoint('embedding').order) return 'embedding';
  return order >= tracePoint('finalNorm').order || !/\d/.test(name) ? 'head' : String(layer);
}

/** The plot of every tensor that was measured. @returns nothing when none was */
export function errorPlot(tensors: readonly PlottedTensor[], firstName?: string): Fragment {
  const measured = tensors.filter(({ verdict }) => verdict.statistics !== undefined);
  if (measured.length === 0) return undefined;
  const values = measured.flatMap(({ verdict: { statistics, bar } }) => [
    ...[statistics?.relative ?? 0, bar ?? 0],
  ]);
  const bottom = HEIGHT - AREA.bottom;
  const scale = logScale(values, AREA.top, bottom);
  const width = WIDTH - AREA.left - AREA.right;
  const slots = slotsOf(measured);
  const slotWidth = width / slots.length;
  const places = slots.flatMap((slot, index) =>
    slot.tensors.map((tensor, i) => {
      const x = AREA.left + slotWidth * (index + (i + 0.5) / slot.tensors.length);
      return { ...tensor, x, half: slotWidth / slot.tensors.length / 2 };
    }),
  );
  const bars = places.map(({ verdict: { bar = 0 }, x, half }, i) => {
    const y = rounded(scale.y(bar));
    return `${i === 0 ? 'M' : 'L'}${rounded(x - half)} ${y}H${rounded(x + half)}`;
  });
  const radius = Math.max(1.6, Math.min(4, slotWidth / 9));
  return html`
<svg class="plot" id="error-plot" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"
 aria-label="Relative error of every tensor by depth, with the bar it is held to">
${logAxis(scale, AREA.left, width, '0')}
${slots.map((slot, index) =>
  slotAxis(slot, AREA.left + slotWidth * index, slotWidth, slots.length),
)}
<path class="bar" d="${bars.join('')}"/>
${places.map((place) => {
  const y = scale.y(place.verdict.statistics?.relative ?? 0);
  return point(place, { y, radius, firstName });
})}
</svg>${legend()}`;
}

/** What stands under a slot that is too narrow for its name. */
const SHORT_NAMES: Readonly<Record<string, string>> = { embedding: 'in', head: 'out' };

function slotAxis({ name }: Slot, x: number, width: number, count: number): Markup {
  const [top, bottom] = [AREA.top, HEIGHT - AREA.bottom];
  const every = Math.ceil(count / 24);
  const layer = Number(name);
  const isNamed = !Number.isInteger(layer) || layer % every === 0;
  const label = html`<text class="tick" x="${rounded(x + width / 2)}" y="${bottom + 18}"
 text-anchor="middle">${width < 64 ? (SHORT_NAMES[name] ?? name) : name}</text>`;
  const title = html`<text class="axis" x="${WIDTH / 2}" y="${HEIGHT - 6}"
 text-anchor="middle">decoder layer</text>`;
  return html`<line class="grid" x1="${rounded(x)}" x2="${rounded(x)}" y1="${top}" y2="${bottom}"/>
${isNamed ? label : undefined}${x === AREA.left ? title : undefined}`;
}

interface PointStyle {
  readonly y: number;
  readonly radius: number;
  readonly firstName: string | undefined;
}

function point(
  { verdict, id, x }: PlottedTensor & { readonly x: number },
  { y, radius, firstName }: PointStyle,
): Markup {
  const { name, kind, status, statistics, bar } = verdict;
  const part = partOf(kind);
  const isFirst = name === firstName;
  const title = `${name}: ${scientific(statistics?.relative ?? 0)}, bar ${scientific(bar ?? 0)}`;
  const [cx, cy] = [x, y].map(rounded);
  const halo = html`<circle class="halo" cx="${cx}" cy="${cy}" r="${2.6 * radius}"/>`;
  return html`
<a href="#${id}" tabindex="-1" class="point ${part} ${status}"><title>${title}</title>
${isFirst ? halo : undefined}${mark(part, x, y, status === 'beyond' ? 1.35 * radius : radius)}</a>`;
}

function legend(): Markup {
  return html`<ul class="legend">${PARTS.map(
    ([part, words]) => html`
<li><svg viewBox="0 0 14 14" aria-hidden="true" class="point ${part}">${mark(part, 7, 7, 4)}</svg>
${words}</li>`,
  )}
<li><svg viewBox="0 0 22 14" aria-hidden="true"><path class="bar" d="M1 7H21"/></svg> bar</li>
<li><svg viewBox="0 0 14 14" aria-hidden="true"
 class="point beyond">${mark('attention', 7, 7, 5)}</svg> beyond it</li></ul>`;
}

/** Rows of tensors by columns of layers; a cell says how many times the bar was used. */
export function errorGrid(tensors: readonly PlottedTensor[]): Fragment {
  const layers = tensors.filter(({ verdict }) => /^\d+$/.test(slotName(verdict)));
  const columns = [...new Set(layers.map(({ verdict }) => verdict.layer))];
  const kinds = [...new Set(layers.map(({ verdict }) => verdict.kind))].sort(
    (a, b) => tracePoint(a).order - tracePoint(b).order,
  );
  if (columns.length < 2) return undefined;
  const cells = new Map(layers.map((tensor) => [key(tensor.verdict), tensor]));
  const [left, size] = [230, Math.max(3, Math.min(26, 790 / columns.length))];
  const rowHeight = 17;
  const height = kinds.length * rowHeight + 26;
  const every = Math.ceil(columns.length / Math.max(1, (columns.length * size) / 26));
  return html`
<svg class="plot grid-plot" viewBox="0 0 ${WIDTH} ${height}" role="img"
 aria-label="How much of its bar every tensor of every layer uses">
${kinds.map((kind, row) => {
  const y = row * rowHeight;
  return html`<text class="tick" x="${left - 8}" y="${y + 12}" text-anchor="end">
${tracePoint(kind).leaf}</text>${columns.map((layer, column) =>
    gridCell(cells.get(key({ kind, layer })), { x: left + column * size, y, size }),
  )}`;
})}
${columns.map((layer, column) =>
  layer % every === 0
    ? html`<text class="tick" x="${rounded(left + (column + 0.5) * size)}" y="${height - 10}"
 text-anchor="middle">${layer}</text>`
    : undefined,
)}</svg>`;
}

function key({ kind, layer }: { readonly kind: TraceKind; readonly layer: number }): string {
  return `${kind} ${layer}`;
}

function gridCell(
  tensor: PlottedTensor | undefined,
  { x, y, size }: { readonly x: number; readonly y: number; readonly size: number },
): Fragment {
  const { verdict, id } = tensor ?? {};
  if (verdict === undefined) return undefined;
  const { name, statistics, bar = 0, status } = verdict;
  const excess = statistics?.excess ?? 0;
  const share = excess === 0 ? 0 : excess / bar;
  const level = statistics === undefined ? status : `level-${levelOf(share)}`;
  const words = statistics === undefined ? status : `${scientific(share)} of its bar`;
  return html`<a href="#${id ?? ''}" tabindex="-1"><rect class="cell ${level}" x="${rounded(x)}"
 y="${y + 1}" width="${rounded(size - 1)}" height="15"><title>${name}: ${words}</title></rect></a>`;
}

/** 0 for the same bits, 1 … 4 for parts of the bar, 5 … 7 beyond it, two decades each. */
function levelOf(share: number): number {
  if (share === 0) return 0;
  if (share <= 1) return Math.max(1, Math.min(4, Math.ceil(4 + log10(share) * 1.5)));
  return Math.min(7, Number.isFinite(share) ? 5 + Math.floor(log10(share) / 2) : 7);
}
