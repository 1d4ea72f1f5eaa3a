/** The report of one trace as an HTML file, for whoever wants to see what a model does with a
 *  prompt: what each layer added, token probabilities by layer, attention maps, next tokens. */

import { BaichuanError } from '../../errors.ts';
import { promptsOf } from '../trace-model.ts';
import type { TraceSource } from '../trace-source.ts';
import { collectAttention } from './attention-maps.ts';
import { attentionSection } from './attention-section.ts';
import { layerSection } from './layer-section.ts';
import { collectLayerSteps, type LayerStep } from './layer-steps.ts';
import { lensData, lensSection } from './lens-section.ts';
import { collectLens, type LensModel, type LogitLens } from './logit-lens.ts';
import { type Fragment, html } from './markup.ts';
import { percent, scientific } from './numbers.ts';
import { renderPage, tokenMarkup } from './page.ts';
import { collectTokens } from './token-rows.ts';
import { tokenSection } from './token-section.ts';
import { type IdToPiece, type SpelledPrompt, spellPrompt } from './tokens.ts';

export interface TraceReportInput {
  readonly trace: TraceSource;
  /** Name of the model, as readers know it. */
  readonly name: string;
  readonly model: LensModel;
  /** Spells token ids; without it tokens are shown as numbers. */
  readonly idToPiece?: IdToPiece | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A report, and the same in short. */
export interface TraceReport {
  /** The text of an HTML file. */
  readonly html: string;
  /** Lines for a terminal. */
  readonly text: string;
}

/** Writes the report of a trace.
 *  @throws trace-empty where it would show nothing, io-…, model-missing, aborted */
export async function traceReport(input: TraceReportInput): Promise<TraceReport> {
  const { trace, name, model, idToPiece, signal } = input;
  const prompts = await promptsOf(trace);
  const prompt = spellPrompt(prompts?.[0] ?? [], idToPiece);
  const steps = await collectLayerSteps(trace);
  const found = await collectLens(model, trace, signal);
  const lens = lensData(found, prompt);
  const attention = await collectAttention({ found: trace }, { prompt, row: 0, first: [], signal });
  const tokens = await collectTokens({ found: trace }, prompt.ids, 0, signal);
  const sections = [
    layerSection(steps),
    lensSection(lens, prompt.ids.length),
    attentionSection(attention, 1),
    tokenSection(tokens, prompt),
  ];
  if (sections.every((section) => section === undefined)) throw nothingToShow(trace);
  const page = await renderPage({
    title: `What ${shortName(name)} does with ${prompt.ids.length} tokens`,
    subtitle: promptMarkup(prompt),
    sections,
    data: { attention, lens },
  });
  return { html: page, text: traceText(steps, found, prompt) };
}

function nothingToShow({ name }: TraceSource): BaichuanError {
  return new BaichuanError('trace-empty', {
    where: name,
    what: 'It has nothing that a report shows: no output of a layer, no probs and no logits.',
    fix: "Record more activations, such as --taps '*.output' '*.probs' logits.",
  });
}

/** The last part of a path. */
function shortName(name: string): string {
  return name.split(/[\\/]/).findLast((part) => part !== '') ?? name;
}

/** Tokens of the prompt that the head of a page shows. */
const MAX_SHOWN = 200;

function promptMarkup({ ids, spell }: SpelledPrompt): Fragment {
  const shown = ids.slice(0, MAX_SHOWN).map((id) => html`${tokenMarkup(spell(id))} `);
  return [...shown, ids.length > MAX_SHOWN ? `and ${ids.length - MAX_SHOWN} more` : ''];
}

/** A line for every layer: sizes, and the likeliest token to follow the prompt. */
function traceText(
  steps: readonly LayerStep[],
  lens: LogitLens | undefined,
  { spell }: SpelledPrompt,
): string {
  const guesses = new Map(
    lens?.layers.map((name, index) => [name, lens.ranked[index].at(-1)?.[0]] as const),
  );
  const guess = (name: string) => {
    const best = guesses.get(name);
    return best === undefined ? '' : `${spell(best.id)} ${percent(best.probability)}`;
  };
  const size = (x: number | undefined) => (x === undefined ? '–' : scientific(x)).padStart(12);
  const head = ['stream', 'attention', 'MLP'].map((word) => word.padStart(12)).join('');
  return [
    `${'after'.padEnd(10)}${head}   likeliest next token`,
    `${'embedding'.padEnd(10)}${size(steps[0]?.entering)}${' '.repeat(24)}   ${guess('embedding')}`,
    ...steps.map(({ layer, leaving, attention, mlp }) => {
      const name = `layer ${layer}`;
      return `${name.padEnd(10)}${[leaving, attention, mlp].map(size).join('')}   ${guess(name)}`;
    }),
    '',
  ]
    .map((line) => line.trimEnd())
    .join('\n');
}
