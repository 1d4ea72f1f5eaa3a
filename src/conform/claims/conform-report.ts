/** A whole run in words for the terminal, and as JSON for programs.
 *
 *  The JSON value: `{"pass", "backend", "model", "class", "claims": [{"claim", "status", "detail",
 *  "cases": [{"id", "status", "detail", "difference", "allowed", "comparison"}]}]}`. `status` of a
 *  claim is `pass`, `fail` or `not-tested`, of a case `pass`, `fail` or `missing`; `difference` and
 *  `allowed` are there where numbers were compared; `comparison`, of the claim `layers` only, is
 *  what `compare --json` prints. */

import { jsonText } from '../json-text.ts';
import { comparisonToJson, comparisonToText } from '../report-text.ts';
import type { CaseVerdict, ClaimVerdict, ConformReport } from './claim.ts';

/** The report as one JSON value. */
export function conformReportToJson(report: ConformReport): string {
  const { pass, backend, model, class: arithmetic, claims } = report;
  const value = { pass, backend, model, class: arithmetic, claims: claims.map(claimToJson) };
  return jsonText(value);
}

function claimToJson({ claim, status, detail, cases }: ClaimVerdict) {
  return { claim, status, detail, cases: cases.map(caseToJson) };
}

function caseToJson({ id, status, detail, difference, allowed, comparison }: CaseVerdict) {
  const numbers = difference === undefined ? {} : { difference, allowed };
  const compared =
    comparison === undefined ? {} : { comparison: JSON.parse(comparisonToJson(comparison)) };
  return { id, status, detail, ...numbers, ...compared };
}

const MARKS = { pass: 'PASS', fail: 'FAIL', 'not-tested': '–', missing: 'missing' } as const;

/** Faulty cases that a claim lists. */
const LISTED_CASES = 8;

/** The report as lines for a terminal: a verdict per claim, what failed of it, the whole. */
export function conformReportToText(report: ConformReport): string {
  const { pass, backend, model, class: arithmetic, claims } = report;
  const tested = claims.filter(({ status }) => status !== 'not-tested');
  const failed = tested.filter(({ status }) => status === 'fail');
  const counts = `${tested.length} claims tested, ${failed.length} failed`;
  return [
    `${backend}, against ${model}`,
    ...claims.flatMap(claimLines),
    '',
    `${pass ? 'PASS' : 'FAIL'} in class ${arithmetic}: ${counts}`,
    '',
  ].join('\n');
}

function claimLines({ claim, status, detail, cases }: ClaimVerdict): string[] {
  const head = `${claim.padEnd(12)} ${MARKS[status].padEnd(5)} ${status === 'fail' ? '' : detail}`;
  if (status !== 'fail') return [head.trimEnd()];
  const faulty = cases.filter((one) => one.status !== 'pass');
  const counts = `${cases.length - faulty.length} of ${cases.length}`;
  const left = faulty.length - LISTED_CASES;
  return [
    `${head}${counts}`,
    ...faulty.slice(0, LISTED_CASES).flatMap(caseLines),
    ...(left > 0 ? [`  … ${left} more; --json lists all`] : []),
  ];
}

function caseLines({ id, detail, comparison }: CaseVerdict): string[] {
  const line = `  ${id}: ${detail}`;
  if (comparison === undefined) return [line];
  const compared = comparisonToText(comparison).split('\n');
  const start = compared.findIndex((text) => text.startsWith('FAIL'));
  return [
    line,
    ...compared
      .slice(start + 1)
      .filter(Boolean)
      .map((text) => `    ${text}`),
  ];
}
