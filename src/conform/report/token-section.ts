/** The table of next tokens: what each side thinks likeliest at every position, and how far the two
 *  distributions lie apart. */

import { type Fragment, html, type Markup } from './markup.ts';
import { percent, scientific } from './numbers.ts';
import { type Section, tokenMarkup } from './page.ts';
import type { Ranked, TokenRow, TokenSide, TokenTable } from './token-rows.ts';
import type { SpelledPrompt } from './tokens.ts';

/** The section of the table; undefined without logits. */
export function tokenSection(
  table: TokenTable | undefined,
  prompt: SpelledPrompt,
): Section | undefined {
  if (table === undefined) return undefined;
  const { rows, positions } = table;
  const isPair = rows.some(({ divergence }) => divergence !== undefined);
  const left = positions - rows.length;
  const columns = isPair
    ? ['expected', '', 'found', '', 'next, expected', 'next, found', 'KL', '']
    : ['likeliest', '', 'then', '', 'next'];
  return {
    id: 'tokens',
    title: 'Next tokens',
    about: `The likeliest next token after every position${
      isPair ? ', KL divergence in nats, p = softmax(expected)' : ''
    }. Next: the probability of the token that does follow.${
      left > 0 ? ` ${left} of ${positions} positions are left out, the least different ones.` : ''
    }`,
    body: html`<div class="scroll" tabindex="0" role="region" aria-label="Next tokens">
<table id="token-table"><thead><tr><th scope="col" class="number">position</th>
<th scope="col">token</th>${columns.map((name, index) => header(name, index))}</tr></thead>
<tbody>${rows.map((row) => tokenRow(row, prompt, isPair))}</tbody></table></div>`,
  };
}

function header(name: string, index: number): Markup {
  return html`<th scope="col" class="${index > 3 && name !== '' ? 'number' : ''}">${name}</th>`;
}

function tokenRow(row: TokenRow, { ids, spell }: SpelledPrompt, isPair: boolean): Markup {
  const { position, expected, found, divergence } = row;
  const at = ids[position];
  const token = at === undefined ? '' : tokenMarkup(spell(at));
  const rank = (side: TokenSide | undefined, index: number) => ranked(side?.top[index], spell);
  const only = expected ?? found;
  const cells: Fragment = isPair
    ? [
        ...[rank(expected, 0), rank(found, 0)],
        ...[expected?.next, found?.next].map(probability),
        html`<td class="number">${divergence === undefined ? '' : scientific(divergence)}</td>`,
        html`<td>${agreement(expected, found)}</td>`,
      ]
    : [rank(only, 0), rank(only, 1), probability(only?.next)];
  return html`<tr><td class="number">${position}</td><td>${token}</td>${cells}</tr>
`;
}

function ranked(token: Ranked | undefined, spell: (id: number) => string): Markup {
  if (token === undefined) return html`<td>–</td><td></td>`;
  return html`<td>${tokenMarkup(spell(token.id))}</td>
<td class="number">${percent(token.probability)}</td>`;
}

function probability(p: number | undefined): Markup {
  return html`<td class="number">${p === undefined ? '' : percent(p)}</td>`;
}

function agreement(expected: TokenSide | undefined, found: TokenSide | undefined): Fragment {
  const [one, other] = [expected?.top[0]?.id, found?.top[0]?.id];
  if (one === undefined || other === undefined) return html`<span class="badge bad">NaN</span>`;
  return one === other ? undefined : html`<span class="badge bad">differs</span>`;
}
