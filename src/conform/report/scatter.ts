/** Scores found against scores expected, and their differences on a logarithmic axis. */

import { type Fragment, html, type Markup } from './markup.ts';
import { log10, scientific } from './numbers.ts';
import { logAxis, logScale, rounded } from './svg.ts';
import type { LogitPoint } from './token-rows.ts';
import type { SpelledPrompt } from './tokens.ts';

const SIZE = 400;
const AREA = { left: 56, right: 12, top: 12, bottom: 40 };

/** Both plots side by side. @param allowed difference that the bar of the logits allows */
export function logitScatter(
  all: readonly LogitPoint[],
  allowed: number | undefined,
  { spell }: SpelledPrompt,
): Fragment {
  const points = all.filter((p) => Number.isFinite(p.expected) && Number.isFinite(p.found));
  if (points.length === 0) return undefined;
  const from = Math.min(...points.map((p) => Math.min(p.expected, p.found)));
  const to = Math.max(...points.map((p) => Math.max(p.expected, p.found)));
  const span = to > from ? to - from : 1;
  const width = SIZE - AREA.left - AREA.right;
  const height = SIZE - AREA.top - AREA.bottom;
  const x = (value: number) => AREA.left + ((value - from) / span) * width;
  const frame: Frame = { x, y: (value) => AREA.top + height - ((value - from) / span) * height };
  const isBeyond = (p: LogitPoint) => !(Math.abs(p.found - p.expected) <= (allowed ?? Infinity));
  const titleOf = (p: LogitPoint) =>
    `position ${p.position}, ${spell(p.id)}: expected ${scientific(p.expected)}, ` +
    `found ${scientific(p.found)}`;
  const dots = { isBeyond, titleOf };
  return html`<div class="pair">
<figure><figcaption>Found against expected</figcaption>
${scorePlot(points, { frame, ticks: ticksOf(from, to) }, dots)}</figure>
<figure><figcaption>Difference by expected score${allowed === undefined ? '' : ', with the bar'}
</figcaption>${differencePlot(points, { frame, ticks: ticksOf(from, to), allowed }, dots)}</figure>
</div>`;
}

interface Frame {
  x(value: number): number;
  y(value: number): number;
}

interface Dots {
  isBeyond(point: LogitPoint): boolean;
  titleOf(point: LogitPoint): string;
}

interface Axes {
  readonly frame: Frame;
  readonly ticks: readonly number[];
}

function scorePlot(points: readonly LogitPoint[], { frame, ticks }: Axes, dots: Dots): Markup {
  const [bottom, right] = [SIZE - AREA.bottom, SIZE - AREA.right];
  return html`<svg class="plot" id="logit-scatter" viewBox="0 0 ${SIZE} ${SIZE}" role="img"
 aria-label="Scores found against scores expected; equal scores lie on the diagonal">
${ticks.map((tick) => {
  const y = rounded(frame.y(tick));
  return html`<line class="grid" x1="${AREA.left}" x2="${right}" y1="${y}" y2="${y}"/>
<text class="tick" x="${AREA.left - 8}" y="${y + 4}" text-anchor="end">${scientific(tick)}</text>`;
})}${expectedAxis(ticks, frame)}
<line class="diagonal" x1="${AREA.left}" y1="${bottom}" x2="${right}" y2="${AREA.top}"/>
${points.map((point) => dot(point, frame.y(point.found), frame, dots))}</svg>`;
}

function differencePlot(
  points: readonly LogitPoint[],
  { frame, ticks, allowed }: Axes & { readonly allowed: number | undefined },
  dots: Dots,
): Markup {
  const bottom = SIZE - AREA.bottom;
  const differences = points.map(({ expected, found }) => Math.abs(found - expected));
  const bars = allowed === undefined ? [] : [allowed];
  const scale = logScale([...differences, ...bars], AREA.top, bottom);
  const width = SIZE - AREA.left - AREA.right;
  const bar = bars.map((value) => rounded(scale.y(value)));
  return html`<svg class="plot" viewBox="0 0 ${SIZE} ${SIZE}" role="img"
 aria-label="Size of the difference of every score">
${logAxis(scale, AREA.left, width, '0')}${expectedAxis(ticks, frame)}
${bar.map((y) => html`<path class="bar" d="M${AREA.left} ${y}H${SIZE - AREA.right}"/>`)}
${points.map((point, i) => dot(point, scale.y(differences[i]), frame, dots))}</svg>`;
}

function expectedAxis(ticks: readonly number[], { x }: Frame): Markup {
  const bottom = SIZE - AREA.bottom;
  return html`${ticks.map(
    (tick) => html`<line class="grid" x1="${rounded(x(tick))}" x2="${rounded(x(tick))}"
 y1="${AREA.top}" y2="${bottom}"/><text class="tick" x="${rounded(x(tick))}" y="${bottom + 16}"
 text-anchor="middle">${scientific(tick)}</text>`,
  )}<text class="axis" x="${SIZE / 2}" y="${SIZE - 6}" text-anchor="middle">expected score</text>`;
}

function dot(point: LogitPoint, y: number, { x }: Frame, { isBeyond, titleOf }: Dots): Markup {
  const name = isBeyond(point) ? 'dot beyond' : 'dot';
  return html`<circle class="${name}" cx="${rounded(x(point.expected))}" cy="${rounded(y)}" r="2.4">
<title>${titleOf(point)}</title></circle>`;
}

/** Three to six round numbers within a range. */
export function ticksOf(from: number, to: number): number[] {
  const span = to - from;
  if (!(span > 0) || !Number.isFinite(span)) return [from];
  const power = Number(`1e${Math.floor(log10(span / 3))}`);
  const step = [1, 2, 5, 10].map((x) => x * power).find((x) => span / x <= 6) ?? 10 * power;
  const ticks: number[] = [];
  for (let i = Math.ceil(from / step); i * step <= to; i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}
