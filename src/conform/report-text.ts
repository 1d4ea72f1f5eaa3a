/** A comparison in words for the terminal, and as JSON for programs. */

import type { LogitsStatistics } from '../verify/logits.ts';
import type { BackendComparison } from './compare-backends.ts';
import type { FirstDifference, TensorVerdict } from './compare-traces.ts';
import { jsonText } from './json-text.ts';

/** The comparison as one JSON value. Numbers that JSON does not have are the texts `NaN`,
 *  `Infinity` and `-Infinity`. */
export function comparisonToJson(comparison: BackendComparison): string {
  const { pass, class: arithmetic, first, diagnosis, notes = [] } = comparison;
  const tensors = comparison.tensors.map(tensorToJson);
  return jsonText({ pass, class: arithmetic, first, tensors, diagnosis, notes });
}

function tensorToJson({ name, status, statistics, bar, alone, logits, shapes }: TensorVerdict) {
  const measured =
    statistics === undefined
      ? {}
      : {
          max_abs: statistics.maxAbs,
          max_relative: statistics.relative,
          nmse: statistics.nmse,
          cosine: statistics.cosine,
          bar,
          inputs_agree: alone ?? false,
        };
  const axes = shapes === undefined ? {} : { expected_shape: shapes[0], found_shape: shapes[1] };
  const scores = logits === undefined ? {} : { logits: logitsToJson(logits) };
  return { name, status, ...measured, ...axes, ...scores };
}

function logitsToJson(logits: LogitsStatistics) {
  return {
    positions: logits.positions,
    kl_mean: logits.klMean,
    kl_max: logits.klMax,
    kl_p999: logits.klP999,
    top1_agreement: logits.top1Agreement,
    ties: logits.ties,
    perplexity_expected: logits.perplexityExpected ?? null,
    perplexity_found: logits.perplexityFound ?? null,
  };
}

/** The comparison as lines for a terminal: a line per tensor, then the verdict. */
export function comparisonToText(comparison: BackendComparison): string {
  const { tensors } = comparison;
  const width = Math.max(6, ...tensors.map(({ name }) => name.length));
  const head = ['tensor'.padEnd(width), 'max abs', 'relative', 'bar', 'NMSE', 'cosine'];
  return [
    head.map((cell, i) => (i === 0 ? cell : cell.padStart(9))).join('  '),
    ...tensors.map((tensor) => tensorLine(tensor, width)),
    ...verdictLines(comparison),
  ].join('\n');
}

/** What stands under the table: logits, notes, verdict, first difference, diagnosis. */
export function verdictLines(comparison: BackendComparison): string[] {
  const { pass, class: arithmetic, first, tensors, diagnosis, notes = [] } = comparison;
  const logits = tensors.find((tensor) => tensor.logits !== undefined)?.logits;
  const beyond = tensors.filter(({ status }) => status === 'beyond' || status === 'axes').length;
  const missing = tensors.filter(({ status }) => status === 'missing').length;
  const unseen = tensors.filter(({ status }) => status === 'not-recorded').length;
  const counts = [
    `${tensors.length - missing - unseen} tensors compared`,
    `${beyond} beyond`,
    `${missing} missing`,
    ...(unseen > 0 ? [`${unseen} that hooks cannot see not recorded`] : []),
  ];
  return [
    ...(logits === undefined ? [] : logitsLines(logits)),
    ...(notes.length === 0 ? [] : ['', ...notes.map((note) => `note: ${note}`)]),
    '',
    `${pass ? 'PASS' : 'FAIL'} in class ${arithmetic}: ${counts.join(', ')}`,
    ...(first === null ? [] : [firstLine(first)]),
    ...diagnosis.map(
      ({ name, likeness, summary }) =>
        `looks like ${name} (${(100 * likeness).toFixed(1)} %): ${summary}`,
    ),
    '',
  ];
}

function tensorLine({ name, status, statistics, bar, shapes }: TensorVerdict, width: number) {
  const cells =
    statistics === undefined
      ? []
      : [
          ...[statistics.maxAbs, statistics.relative, bar ?? 0, statistics.nmse].map(exponential),
          statistics.cosine.toFixed(6),
        ];
  const padded = [name.padEnd(width), ...cells.map((cell) => cell.padStart(9))];
  const axes = shapes?.map((shape) => `[${shape.join(', ')}]`).join(' and ') ?? '';
  const mark = status === 'within' ? '' : `${status} ${axes}`.trimEnd();
  return [...padded, mark].join('  ').trimEnd();
}

/** A number in three digits, as terminals show it. */
export function exponential(x: number): string {
  return x === 0 ? '0' : Number.isFinite(x) ? x.toExponential(2) : String(x);
}

function logitsLines(logits: LogitsStatistics): string[] {
  const { klMean, klMax, klP999, top1Agreement, ties, perplexityExpected } = logits;
  const kl = [klMean, klMax, klP999].map(exponential);
  const agreement = `top-1 ${(100 * top1Agreement).toFixed(2)} %, ${ties} ties`;
  const labelled =
    perplexityExpected === undefined
      ? ''
      : `, perplexity ${perplexityExpected.toFixed(4)} and ${logits.perplexityFound?.toFixed(4)}`;
  return ['', `logits: KL mean ${kl[0]}, max ${kl[1]}, p99.9 ${kl[2]}; ${agreement}${labelled}`];
}

function firstLine({ name, position, head, channel, expected, found }: FirstDifference): string {
  if (position === null && channel === null && expected === null) return `first: ${name}`;
  const place = [
    ...(position === null ? [] : [`position ${position}`]),
    ...(head === null ? [] : [`head ${head}`]),
    ...(channel === null ? [] : [`channel ${channel}`]),
  ];
  return `first: ${name}, ${place.join(', ')}: expected ${expected}, found ${found}`;
}
