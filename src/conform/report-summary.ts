/** A comparison in short for the terminal: one line per layer, for its worst tensor, with a gauge
 *  of how much of its bar was used:
 *
 *      ······│······     the same bits                 one place a decade, the bar in the middle
 *      ███···│······     a thousandth of the bar
 *      ██████│███···     a thousand times the bar */

import { type TracePlace, tracePoint } from '../model/trace-points.ts';
import type { BackendComparison } from './compare-backends.ts';
import type { TensorVerdict } from './compare-traces.ts';
import { log10 } from './report/numbers.ts';
import { exponential, verdictLines } from './report-text.ts';

/** Decades on either side of the bar. */
const DECADES = 6;

/** The comparison as a line per layer, then the verdict. */
export function comparisonToSummary(comparison: BackendComparison): string {
  const layers = new Map<string, TensorVerdict[]>();
  for (const tensor of comparison.tensors) {
    const name = layerName(tensor);
    layers.set(name, [...(layers.get(name) ?? []), tensor]);
  }
  const rows = [...layers].map(([name, tensors]) => summaryRow(name, tensors));
  const table = [['layer', 'worst tensor', 'relative', 'bar', 'of its bar', ''], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const lines = table.map((row) => {
    const cells = row.map((cell, i) =>
      i === 2 || i === 3 ? cell.padStart(widths[i]) : cell.padEnd(widths[i]),
    );
    return cells.join('  ').trimEnd();
  });
  return [...lines, ...verdictLines(comparison)].join('\n');
}

/** The layer, or what stands before and behind the layers. */
function layerName(place: TracePlace): string {
  const { order } = tracePoint(place.kind);
  if (order <= tracePoint('embedding').order) return 'embedding';
  return order >= tracePoint('finalNorm').order ? 'head' : `layer ${place.layer}`;
}

function summaryRow(layer: string, tensors: readonly TensorVerdict[]): string[] {
  const worst = tensors.reduce((a, b) => (severity(b) > severity(a) ? b : a));
  const { kind, status, statistics, bar = 0 } = worst;
  const { leaf } = tracePoint(kind);
  if (statistics === undefined) return [layer, leaf, '', '', '', status];
  const share = shareOf(worst);
  const mark = status === 'beyond' ? 'beyond' : share === 0 ? 'same bits' : '';
  return [layer, leaf, exponential(statistics.relative), exponential(bar), gauge(share), mark];
}

/** Tensors without the right axes and missing ones are worse than any number. */
function severity(tensor: TensorVerdict): number {
  if (tensor.status === 'not-recorded') return -1;
  return tensor.statistics === undefined ? Number.POSITIVE_INFINITY : shareOf(tensor);
}

/** How many times the bar was used. */
function shareOf({ statistics, bar = 0 }: TensorVerdict): number {
  const excess = statistics?.excess ?? 0;
  return excess <= 0 ? 0 : excess / bar;
}

/** A place per decade, from a millionth of the bar to a million times it. */
export function gauge(share: number): string {
  const decades = share === 0 ? -DECADES : Number.isFinite(share) ? log10(share) : DECADES;
  const filled = Math.max(0, Math.min(2 * DECADES, Math.ceil(decades + DECADES)));
  const places = `${'█'.repeat(filled)}${'·'.repeat(2 * DECADES - filled)}`;
  return `${places.slice(0, DECADES)}│${places.slice(DECADES)}`;
}
