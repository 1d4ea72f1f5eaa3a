/** The table of every tensor that was compared. */

import type { TensorVerdict } from '../compare-traces.ts';
import type { PlottedTensor } from './error-plot.ts';
import { html, type Markup } from './markup.ts';
import { scientific } from './numbers.ts';
import type { Section } from './page.ts';

/** Rows that a report shows; the first ones beyond their bars are always among them. */
export const MAX_TENSORS = 1500;

const WORDS: Readonly<Record<TensorVerdict['status'], readonly [string, string]>> = {
  within: ['within', 'good'],
  beyond: ['beyond', 'bad'],
  axes: ['axes swapped', 'bad'],
  missing: ['missing', 'bad'],
  'not-recorded': ['not recorded', ''],
};

/** Tensors that fit a page, with the ids of their rows. */
export function tensorsToShow(tensors: readonly TensorVerdict[]): PlottedTensor[] {
  const all = tensors.map((verdict, index) => ({ verdict, id: `tensor-${index}` }));
  if (all.length <= MAX_TENSORS) return all;
  const isFault = ({ verdict }: PlottedTensor) => verdict.status !== 'within';
  const chosen = new Set(all.filter(isFault).slice(0, MAX_TENSORS / 2));
  for (const tensor of all) if (chosen.size < MAX_TENSORS) chosen.add(tensor);
  return all.filter((tensor) => chosen.has(tensor));
}

/** The section of the table. @param total tensors in all */
export function tensorSection(tensors: readonly PlottedTensor[], total: number): Section {
  const left = total - tensors.length;
  return {
    id: 'tensors',
    title: 'Tensors',
    about: `In the order of execution. Relative: the largest difference over the largest expected
 magnitude; the bar says how large rounding may make it.${
   left > 0 ? ` ${left} more are left out of this file; --json has all of them.` : ''
 }`,
    body: html`
<div class="controls" id="tensor-controls" hidden>
<label><input type="checkbox" id="tensor-faults"> only those that are not within</label>
<label>name has <input type="search" id="tensor-filter" autocomplete="off"></label>
<span class="soft" id="tensor-count" aria-live="polite"></span>
</div>
<div class="scroll" tabindex="0" role="region" aria-label="Tensors"><table id="tensor-table">
<thead><tr><th scope="col">tensor</th>${['max abs', 'relative', 'bar', 'NMSE', 'cosine'].map(
      (name) => html`<th scope="col" class="number">${name}</th>`,
    )}<th scope="col">verdict</th></tr></thead>
<tbody>${tensors.map(tensorRow)}</tbody></table></div>`,
  };
}

function tensorRow({ verdict, id }: PlottedTensor): Markup {
  const { name, status, statistics, bar, alone, shapes } = verdict;
  const [words, look] = WORDS[status];
  const numbers =
    statistics === undefined
      ? ['', '', '', '', '']
      : [
          ...[statistics.maxAbs, statistics.relative, bar ?? 0, statistics.nmse].map(scientific),
          statistics.cosine.toFixed(6),
        ];
  const axes = shapes?.map((shape) => `[${shape.join(', ')}]`).join(' → ');
  return html`<tr id="${id}" class="${status}"><td><code>${name}</code></td>${numbers.map(
    (text) => html`<td class="number">${text}</td>`,
  )}<td><span class="badge ${look}">${words}</span>${
    alone === true
      ? html` <span class="soft" title="its inputs agree bit for bit">alone</span>`
      : undefined
  }${axes}</td></tr>
`;
}
