/** Token probabilities by layer: a table of layers by positions, each cell the likeliest next
 *  token; the one that is chosen shows five. */

import type { LensData } from './data.ts';
import type { LogitLens } from './logit-lens.ts';
import { html, type Markup } from './markup.ts';
import { percent } from './numbers.ts';
import { type Section, tokenMarkup } from './page.ts';
import type { SpelledPrompt } from './tokens.ts';

/** What the script of the page shows of a lens. */
export function lensData(lens: LogitLens | undefined, prompt: SpelledPrompt): LensData | undefined {
  if (lens === undefined) return undefined;
  const { ids, spell } = prompt;
  const { layers, positions, ranked } = lens;
  const guesses = ranked.map((row) =>
    row.map((tokens) =>
      tokens.map(({ id, probability }) => ({ token: spell(id), probability: short(probability) })),
    ),
  );
  return { layers, tokens: positions.map((position) => spell(ids[position])), guesses };
}

/** Five digits: more would only make the file longer. */
function short(probability: number): number {
  return Number.isFinite(probability) ? Number(probability.toPrecision(5)) : 0;
}

/** The section; undefined where a trace has no layers. @param tokens in the prompt */
export function lensSection(data: LensData | undefined, tokens: number): Section | undefined {
  if (data === undefined) return undefined;
  const left = tokens - data.tokens.length;
  return {
    id: 'lens',
    title: 'Token probabilities by layer',
    about: html`The logit lens: the output of every layer goes through the final norm and the head,
 as if it were the last. Each cell is the likeliest token to follow the one at its head; the darker,
 the surer. Computed in float32 with the numbers of the checkpoint; the last row is the model's own
 answer.${left > 0 ? ` The last ${data.tokens.length} of ${tokens} positions are shown.` : ''}`,
    body: html`<div class="scroll" tabindex="0" role="region" aria-label="Likeliest token by layer">
<table class="lens" id="lens-table"><thead><tr><th></th>${data.tokens.map(
      (token) => html`<th scope="col">${tokenMarkup(token)}</th>`,
    )}</tr></thead>
<tbody>${data.layers.map((name, row) => lensRow(name, data.guesses[row]))}</tbody></table></div>
<p class="soft" id="lens-place" aria-live="polite"></p>
<div class="guesses" id="lens-guesses"></div>`,
  };
}

function lensRow(name: string, guesses: LensData['guesses'][number]): Markup {
  return html`<tr><th scope="row">${name}</th>${guesses.map(([best]) => {
    if (best === undefined) return html`<td>–</td>`;
    const { token, probability } = best;
    const level = Math.min(4, Math.floor(5 * probability));
    return html`<td><button type="button" class="guess mono p-${level}" tabindex="-1"
 aria-pressed="false" title="${token} ${percent(probability)}">${token}</button></td>`;
  })}</tr>
`;
}
