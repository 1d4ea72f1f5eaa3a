/** The report of a whole run as one HTML file: a verdict per claim, every case that was asked, and
 *  of one trace, the first that parts from the model if any does, all that `compare` shows. */

import type { CaseVerdict, ClaimVerdict, ComparedTrace, ConformReport } from '../claims/claim.ts';
import { compareSections } from './compare-report.ts';
import { html, type Markup } from './markup.ts';
import { scientific } from './numbers.ts';
import { type Page, renderPage, type Section } from './page.ts';
import type { IdToPiece } from './tokens.ts';

export interface ConformPageOptions {
  /** Spells token ids; without it tokens are shown as numbers. */
  readonly idToPiece?: IdToPiece | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ConformPage {
  /** Looks at a trace while it is open. @throws io-…, aborted */
  look(compared: ComparedTrace): Promise<void>;
  /** @returns the text of an HTML file */
  render(report: ConformReport): Promise<string>;
}

/** The trace that is shown. */
interface Shown extends Pick<Page, 'sections' | 'data'> {
  readonly id: string;
  readonly pass: boolean;
}

/** Begins a report that looks at the traces of a run as they come. */
export function createConformPage(options: ConformPageOptions = {}): ConformPage {
  let shown: Shown | undefined;
  return {
    async look({ id, expected, found, comparison }) {
      if (shown !== undefined && (comparison.pass || !shown.pass)) return;
      const input = { comparison, expected, found, isLocal: false, ...options };
      const { sections, data } = await compareSections(input);
      shown = { id, pass: comparison.pass, sections, data };
    },
    render: (report) => renderPage(pageOf(report, shown)),
  };
}

const WORDS = {
  pass: ['PASS', 'good'],
  fail: ['FAIL', 'bad'],
  missing: ['no answer', 'bad'],
  'not-tested': ['not tested', ''],
} as const;

/** What each claim says of a backend. */
const ABOUT: Readonly<Record<ClaimVerdict['claim'], string>> = {
  tokenizer: 'Texts become the ids of the model.',
  chat: 'Conversations become the prompt of the model, role tokens included.',
  layers: 'Every activation lies within the rounding of its class.',
  logits:
    'The scores of the next token are right, also at the lengths where backends change paths.',
  generation: 'The likeliest token is right after every token of a given continuation.',
  determinism: 'The same question gets the same answer.',
};

function pageOf(report: ConformReport, shown: Shown | undefined): Page {
  const { pass, backend, model, claims } = report;
  return {
    title: `${pass ? 'PASS' : 'FAIL'}: ${backend}`,
    subtitle: html`Tested against <code>${model}</code>`,
    sections: [
      verdictSection(report),
      ...claims.filter(({ cases }) => cases.length > 0).map(claimSection),
      ...(shown === undefined ? [] : traceSections(shown)),
    ],
    data: shown?.data ?? {},
  };
}

function verdictSection({ pass, class: arithmetic, claims }: ConformReport): Section {
  const tested = claims.filter(({ status }) => status !== 'not-tested');
  const { length: failed } = tested.filter(({ status }) => status === 'fail');
  return {
    id: 'claims',
    title: 'Verdict',
    body: html`<div class="verdict ${pass ? 'pass' : 'fail'}"><div class="word">${
      pass ? 'PASS' : 'FAIL'
    }</div><div><p class="lead">${failed} of ${tested.length} tested claims failed
 in class <b>${arithmetic}</b>.</p></div></div>
<div class="scroll plain"><table id="claim-table"><thead><tr><th scope="col">claim</th>
<th scope="col">verdict</th><th scope="col" class="number">cases passed</th>
<th scope="col">what was found</th></tr></thead>
<tbody>${claims.map(claimRow)}</tbody></table></div>`,
  };
}

function claimRow({ claim, status, detail, cases }: ClaimVerdict): Markup {
  const { length: passed } = cases.filter((one) => one.status === 'pass');
  const name = cases.length > 0 ? html`<a href="#claim-${claim}">${claim}</a>` : claim;
  return html`<tr class="${status === 'fail' ? 'beyond' : ''}"><td>${name}</td>
<td>${badge(status)}</td><td class="number">${passed} of ${cases.length}</td>
<td class="words">${status === 'pass' ? ABOUT[claim] : detail}</td></tr>
`;
}

function claimSection({ claim, cases }: ClaimVerdict): Section {
  const hasNumbers = cases.some(({ difference }) => difference !== undefined);
  const isFaulty = ({ status }: CaseVerdict) => status !== 'pass';
  const ordered = [...cases.filter(isFaulty), ...cases.filter((one) => !isFaulty(one))];
  const numbers = hasNumbers
    ? html`<th scope="col" class="number">difference</th>
<th scope="col" class="number">allowed</th>`
    : undefined;
  return {
    id: `claim-${claim}`,
    title: `${claim[0].toUpperCase()}${claim.slice(1)}`,
    about: ABOUT[claim],
    body: html`<div class="scroll" tabindex="0" role="region" aria-label="Cases of ${claim}"><table>
<thead><tr><th scope="col">case</th><th scope="col">verdict</th>${numbers}
<th scope="col">what was found</th></tr></thead>
<tbody>${ordered.map((one) => caseRow(one, hasNumbers))}</tbody></table></div>`,
  };
}

function caseRow({ id, status, detail, difference, allowed }: CaseVerdict, hasNumbers: boolean) {
  const cells = hasNumbers ? [difference, allowed] : [];
  return html`<tr class="${status === 'pass' ? '' : 'beyond'}"><td><code>${id}</code></td>
<td>${badge(status)}</td>${cells.map(
    (x) => html`<td class="number">${x === undefined ? '' : scientific(x)}</td>`,
  )}<td class="words">${detail}</td></tr>
`;
}

function badge(status: keyof typeof WORDS): Markup {
  const [words, look] = WORDS[status];
  return html`<span class="badge ${look}">${words}</span>`;
}

/** What `compare` shows, with the name of the case where its verdict stands. */
function traceSections({ id, pass, sections }: Shown): (Section | undefined)[] {
  const title = pass ? `The trace of ${id}` : `The first trace that parts: ${id}`;
  return sections.map((section) => (section?.id === 'verdict' ? { ...section, title } : section));
}
