/** What each layer did: a plot of the sizes of stream and updates by depth, and their table. */

import type { LayerStep } from './layer-steps.ts';
import { html, type Markup } from './markup.ts';
import { scientific } from './numbers.ts';
import type { Section } from './page.ts';
import { logAxis, logScale, mark, type Part, rounded } from './svg.ts';

const [WIDTH, HEIGHT] = [1040, 340];
const AREA = { left: 62, right: 12, top: 12, bottom: 44 };

const CURVES: readonly (readonly [Part, string, (step: LayerStep) => number | undefined])[] = [
  ['stream', 'residual stream after the layer', ({ leaving }) => leaving],
  ['attention', 'what attention added', ({ attention }) => attention],
  ['mlp', 'what the MLP added', ({ mlp }) => mlp],
];

/** The section; undefined where a trace has nothing of it. */
export function layerSection(steps: readonly LayerStep[]): Section | undefined {
  if (steps.length === 0) return undefined;
  return {
    id: 'layers',
    title: 'What each layer did',
    about: html`Every layer reads the residual stream and adds to it twice: first attention, then
 the MLP. Sizes are root mean squares over the channels, averaged over the tokens.`,
    body: html`<div class="scroll plain">${layerPlot(steps)}</div>
<ul class="legend">${CURVES.map(
      ([part, words]) => html`<li><svg viewBox="0 0 14 14" aria-hidden="true"
 class="point ${part}">${mark(part, 7, 7, 4)}</svg> ${words}</li>`,
    )}</ul>
<div class="scroll" tabindex="0" role="region" aria-label="Layers"><table id="layer-table"><thead>
<tr><th scope="col" class="number">layer</th>${[
      ...['stream before', 'attention adds', 'MLP adds', 'stream after', 'cosine before · after'],
    ].map((name) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
<tbody>${steps.map(layerRow)}</tbody></table></div>`,
  };
}

function layerRow({ layer, entering, attention, mlp, leaving, cosine }: LayerStep): Markup {
  const sizes = [entering, attention, mlp, leaving].map((x) =>
    x === undefined ? '–' : scientific(x),
  );
  const cells = [layer, ...sizes, cosine === undefined ? '–' : cosine.toFixed(4)];
  return html`<tr>${cells.map((cell) => html`<td class="number">${cell}</td>`)}</tr>
`;
}

function layerPlot(steps: readonly LayerStep[]): Markup {
  const values = CURVES.flatMap(([, , read]) => steps.map((step) => read(step) ?? 0));
  const bottom = HEIGHT - AREA.bottom;
  const scale = logScale(values, AREA.top, bottom, 1);
  const width = WIDTH - AREA.left - AREA.right;
  const slot = width / steps.length;
  const every = Math.ceil(steps.length / 24);
  const x = (index: number) => AREA.left + slot * (index + 0.5);
  return html`<svg class="plot" id="layer-plot" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"
 aria-label="Size of the residual stream and of what attention and MLP add, by layer">
${logAxis(scale, AREA.left, width, '0')}
${steps.map(({ layer }, index) =>
  index % every === 0
    ? html`<text class="tick" x="${rounded(x(index))}" y="${bottom + 18}"
 text-anchor="middle">${layer}</text>`
    : undefined,
)}<text class="axis" x="${WIDTH / 2}" y="${HEIGHT - 6}" text-anchor="middle">decoder layer</text>
${CURVES.map(([part, words, read]) => {
  const points = steps.flatMap((step, index) => {
    const value = read(step);
    return value === undefined ? [] : [{ value, x: x(index), layer: step.layer }];
  });
  const path = points.map(
    (p, i) => `${i === 0 ? 'M' : 'L'}${rounded(p.x)} ${rounded(scale.y(p.value))}`,
  );
  return html`<path class="curve ${part}" d="${path.join('')}"/>${points.map(
    (p) => html`<g class="point ${part}">
<title>layer ${p.layer}, ${words}: ${scientific(p.value)}</title>
${mark(part, p.x, scale.y(p.value), 4)}</g>`,
  )}`;
})}</svg>`;
}
