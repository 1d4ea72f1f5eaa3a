/** The report of a comparison as one HTML file: the verdict with the first place where both part,
 *  error by depth, what it looks like, attention maps, scores, next tokens, every tensor. */

import { compareTracePlaces, tracePlace } from '../../model/trace-points.ts';
import type { BackendComparison } from '../compare-backends.ts';
import type { FirstDifference, TensorVerdict } from '../compare-traces.ts';
import type { Diagnosis } from '../diagnose.ts';
import { rowOf } from '../trace-faults.ts';
import { promptsOf } from '../trace-model.ts';
import { findEntry, type TraceSource } from '../trace-source.ts';
import { collectAttention } from './attention-maps.ts';
import { attentionSection } from './attention-section.ts';
import { errorGrid, errorPlot, type PlottedTensor } from './error-plot.ts';
import { type Fragment, html, type Markup } from './markup.ts';
import { exactNumber, percent, scientific } from './numbers.ts';
import { fact, type Page, renderPage, type Section, tokenMarkup } from './page.ts';
import { logitScatter } from './scatter.ts';
import { tensorSection, tensorsToShow } from './tensor-table.ts';
import { collectTokens, type TokenTable } from './token-rows.ts';
import { tokenSection } from './token-section.ts';
import { type IdToPiece, type SpelledPrompt, spellPrompt } from './tokens.ts';

export interface CompareReportInput {
  readonly comparison: BackendComparison;
  /** Where the expected numbers come from: a trace, or what a model computed. */
  readonly expected: TraceSource;
  readonly found: TraceSource;
  /** Whether every operation was judged alone, from the inputs that FOUND recorded. */
  readonly isLocal: boolean;
  /** Spells token ids; without it tokens are shown as numbers. */
  readonly idToPiece?: IdToPiece | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Writes the report. @returns the text of an HTML file of a few megabytes at most
 *  @throws io-…, aborted */
export async function compareReport(input: CompareReportInput): Promise<string> {
  const { comparison, expected, found } = input;
  const verdict = comparison.pass ? 'PASS' : 'FAIL';
  const title = `${verdict}: ${fileName(found)} against ${fileName(expected)}`;
  return renderPage({ title, ...(await compareSections(input)) });
}

/** What the report shows under its title. @throws io-…, aborted */
export async function compareSections(input: CompareReportInput): Promise<Omit<Page, 'title'>> {
  const { comparison, expected, found, idToPiece, signal } = input;
  const { tensors, first, diagnosis } = comparison;
  const faulty = tensors.find(({ name }) => name === first?.name);
  const row = faulty === undefined ? 0 : rowOf(faulty, expected);
  const prompts = (await promptsOf(found)) ?? (await promptsOf(expected));
  const prompt = spellPrompt(prompts?.[row] ?? prompts?.[0] ?? [], idToPiece);
  const sides = { expected, found };
  const attention = await collectAttention(sides, {
    ...{ prompt, row, signal, first: interestingHeads(comparison, expected) },
  });
  const tokens = await collectTokens(sides, prompt.ids, row, signal);
  const shown = tensorsToShow([...tensors].sort(compareTracePlaces));
  return {
    subtitle: subtitleOf(input, prompt),
    sections: [
      verdictSection(input, { prompt, shown }),
      diagnosisSection(diagnosis),
      depthSection(shown, first),
      attentionSection(attention, 2),
      scatterSection(tensors, tokens, prompt),
      tokenSection(tokens, prompt),
      tensorSection(shown, tensors.length),
    ],
    data: { attention },
  };
}

function fileName({ name }: TraceSource): string {
  return name.split(/[\\/]/).at(-1) ?? name;
}

function subtitleOf({ expected, found }: CompareReportInput, { ids }: SpelledPrompt): Markup {
  const about = (trace: TraceSource) =>
    ['producer', 'version', 'runtime']
      .flatMap((key) => trace.metadata.get(key) ?? [])
      .join(' ')
      .slice(0, 120);
  const side = (word: string, trace: TraceSource) =>
    html`${word} <code>${trace.name}</code> ${about(trace)}`;
  const count = ids.length === 0 ? '' : ` · ${ids.length} tokens`;
  return html`${side('Expected', expected)}<br>${side('Found', found)}${count}`;
}

/** Layers and heads of the worst probabilities, that of the first difference in front. */
function interestingHeads(
  { first, tensors }: BackendComparison,
  trace: TraceSource,
): (readonly [number, number])[] {
  const place = first === null ? undefined : tracePlace(first.name);
  const named = first?.head ?? null;
  const start: (readonly [number, number])[] =
    place === undefined || named === null ? [] : [[place.layer, named]];
  const worst = tensors
    .filter(({ kind, statistics }) => kind === 'probs' && statistics !== undefined)
    .sort((a, b) => (b.statistics?.relative ?? 0) - (a.statistics?.relative ?? 0))
    .flatMap(({ name, layer, statistics }): (readonly [number, number])[] => {
      const shape = findEntry(trace, name)?.shape;
      if (shape === undefined || statistics === undefined) return [];
      const [heads, T, S] = shape;
      return [[layer, Math.floor(statistics.worst / Math.max(1, T * S)) % Math.max(1, heads)]];
    });
  return [...start, ...worst];
}

interface VerdictContext {
  readonly prompt: SpelledPrompt;
  readonly shown: readonly PlottedTensor[];
}

function verdictSection(
  { comparison, isLocal }: CompareReportInput,
  { prompt, shown }: VerdictContext,
): Section {
  const { pass, class: arithmetic, first, tensors, notes = [] } = comparison;
  const count = (status: TensorVerdict['status']) =>
    tensors.filter((tensor) => tensor.status === status).length;
  const beyond = count('beyond') + count('axes');
  const measured = tensors.length - count('missing') - count('not-recorded');
  const lead = pass
    ? html`All ${measured} tensors agree within the rounding of class <b>${arithmetic}</b>.`
    : html`${beyond} of ${measured} tensors lie beyond the rounding of class
 <b>${arithmetic}</b>${count('missing') > 0 ? `, ${count('missing')} are missing` : ''}.`;
  const way = isLocal
    ? 'Every operation was computed from the inputs that the backend itself recorded.'
    : 'Both traces were compared tensor by tensor, in the order of execution.';
  return {
    id: 'verdict',
    title: 'Verdict',
    body: html`<div class="verdict ${pass ? 'pass' : 'fail'}"><div class="word">${
      pass ? 'PASS' : 'FAIL'
    }</div><div><p class="lead">${lead}</p><p class="soft">${way}</p>${notes.map(
      (note) => html`<p class="soft">${note}</p>`,
    )}</div></div>
${first === null ? undefined : firstFacts(first, { prompt, shown })}${logitFacts(tensors)}`,
  };
}

function firstFacts(first: FirstDifference, { prompt, shown }: VerdictContext): Markup {
  const { name, position, head, channel, expected, found } = first;
  const tensor = shown.find(({ verdict }) => verdict.name === name);
  const { bar, statistics, status } = tensor?.verdict ?? {};
  const id = position === null ? undefined : prompt.ids[position];
  const known = expected !== null && found !== null;
  const allowed =
    bar === undefined || statistics === undefined ? undefined : bar * statistics.largest;
  return html`<h3>Where they part first</h3><dl class="facts" id="first">
${fact('tensor', html`<a href="#${tensor?.id ?? 'tensors'}"><code>${name}</code></a>`, true)}
${fact('verdict', status)}
${fact(
  'position',
  position === null
    ? undefined
    : html`${position} ${id === undefined ? undefined : tokenMarkup(prompt.spell(id))}`,
)}
${fact('head', head ?? undefined)}${fact(channelName(name), channel ?? undefined)}
${fact('expected', known ? exactNumber(expected) : undefined)}
${fact('found', known ? exactNumber(found) : undefined)}
${fact('difference', known ? scientific(Math.abs(found - expected)) : undefined)}
${fact('allowed here', allowed === undefined ? undefined : scientific(allowed))}
${fact('relative, whole tensor', statistics && scientific(statistics.relative))}
${fact('bar', bar === undefined ? undefined : scientific(bar))}</dl>`;
}

/** The last axis of attention maps counts keys, that of logits tokens. */
function channelName(name: string): string {
  const kind = tracePlace(name)?.kind;
  if (kind === 'scores' || kind === 'probs') return 'key';
  return kind === 'logits' || kind === 'lmHead' ? 'token id' : 'channel';
}

function logitFacts(tensors: readonly TensorVerdict[]): Fragment {
  const logits = tensors.findLast((tensor) => tensor.logits !== undefined)?.logits;
  if (logits === undefined) return undefined;
  const perplexity = (x: number | undefined) => (x === undefined ? undefined : x.toFixed(4));
  return html`<h3>Logits</h3><dl class="facts">
${fact('KL divergence, mean', scientific(logits.klMean))}
${fact('largest', scientific(logits.klMax))}
${fact('same likeliest token', percent(logits.top1Agreement))}
${fact('ties', logits.ties)}
${fact('perplexity, expected', perplexity(logits.perplexityExpected))}
${fact('perplexity, found', perplexity(logits.perplexityFound))}</dl>`;
}

function diagnosisSection(diagnosis: readonly Diagnosis[]): Section | undefined {
  if (diagnosis.length === 0) return undefined;
  return {
    id: 'diagnosis',
    title: 'What it looks like',
    about: `Likeness: how much of the difference a known bug explains, when it takes the place
 of the reference. 100 %: this change and nothing else.`,
    body: diagnosis.map(
      ({ name, likeness, summary }) => html`<div class="likeness"><div>
<meter min="0" max="1" value="${likeness}" aria-label="likeness of ${name}"></meter>
<span class="soft">${(100 * likeness).toFixed(1)} %</span></div>
<p><code>${name}</code> ${summary}</p></div>`,
    ),
  };
}

function depthSection(
  shown: readonly PlottedTensor[],
  first: FirstDifference | null,
): Section | undefined {
  const plot = errorPlot(shown, first?.name);
  if (plot === undefined) return undefined;
  const grid = errorGrid(shown);
  return {
    id: 'depth',
    title: 'Error by depth',
    about: `Every tensor in the order of execution: its largest difference, relative to its
 largest magnitude. 0 means the same bits. A mark leads to its row.`,
    body: html`<div class="scroll plain">${plot}</div>${
      grid === undefined
        ? undefined
        : html`<h3>Part of the bar that each tensor uses, by layer</h3>
<div class="scroll plain">${grid}</div>${levels()}`
    }`,
  };
}

function levels(): Markup {
  const words = ['same bits', '', '', '', 'up to the bar', 'beyond', '× 100', '× 10⁴'];
  return html`<ul class="legend">${words.map(
    (word, level) => html`<li><svg viewBox="0 0 14 14" aria-hidden="true">
<rect class="level-${level}" width="14" height="14"/></svg> ${word}</li>`,
  )}</ul>`;
}

function scatterSection(
  tensors: readonly TensorVerdict[],
  table: TokenTable | undefined,
  prompt: SpelledPrompt,
): Section | undefined {
  if (table === undefined) return undefined;
  const verdict = tensors.findLast(({ logits }) => logits !== undefined);
  const { bar, statistics } = verdict ?? {};
  const allowed =
    bar === undefined || statistics === undefined ? undefined : bar * statistics.largest;
  const plots = logitScatter(table.points, allowed, prompt);
  if (plots === undefined) return undefined;
  const { length: scores } = table.points;
  const about = `${scores} scores of ${table.rows.length} positions: the likeliest tokens and others
 spread over the vocabulary.`;
  return { id: 'logits', title: 'Logits', about, body: plots };
}
