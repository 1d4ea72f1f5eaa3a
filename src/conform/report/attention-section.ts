/** The attention maps of a report: a choice of layer and head, and a canvas for every side. */

import type { AttentionData } from './data.ts';
import { type Fragment, html, type Markup } from './markup.ts';
import type { Section } from './page.ts';

/** The section of maps that the script of the page draws.
 *  @param sides how many traces the report is about */
export function attentionSection(
  data: AttentionData | undefined,
  sides: 1 | 2,
): Section | undefined {
  if (data === undefined) return undefined;
  const { expected, found, difference, tokens, block, places } = data;
  const isPair = expected !== undefined && found !== undefined;
  const canvases = [
    expected && map('expected', isPair ? 'Expected' : 'Attention', probabilityScale()),
    found && map('found', isPair ? 'Found' : 'Attention', probabilityScale()),
    difference && map('difference', 'Found − expected', differenceScale()),
  ].filter((canvas) => canvas !== undefined && canvas !== '');
  const layers = [...new Set(places.map(([layer]) => layer))];
  const coarse =
    block > 1
      ? ` A cell stands for ${block} × ${block} of the ${tokens} positions: their mean probability,
 and their largest difference.`
      : '';
  return {
    id: 'attention',
    title: 'Attention maps',
    about: `Rows are the tokens that look, columns the tokens looked at.${
      sides === 2 && !isPair ? ' Only one side recorded probabilities.' : ''
    }${coarse} Point at a cell, or focus a map and use the arrow keys.`,
    body: html`
<noscript>
<p class="badge warn">The maps are drawn by a script, which is switched off.</p></noscript>
<div class="controls" id="attention-controls">
<label>Layer <select id="attention-layer">${layers.map(option)}</select></label>
<label>Head <select id="attention-head"></select></label>
<span><button type="button" id="attention-previous">← previous</button>
<button type="button" id="attention-next">next →</button></span>
<span class="soft">${places.length} heads embedded</span>
</div>
<div class="maps">${canvases as Fragment[]}</div>
<p class="readout" id="attention-readout" aria-live="polite"></p>
<p class="soft">All embedded heads of this layer${isPair ? ', found − expected' : ''}:</p>
<div class="heads" id="attention-heads"></div>`,
  };
}

function option(layer: number): Markup {
  return html`<option value="${layer}">${layer}</option>`;
}

function map(id: string, title: string, scale: Markup): Markup {
  return html`<figure><figcaption>${title}</figcaption>
<canvas id="map-${id}" tabindex="0" role="img" aria-label="${title}, attention map"></canvas>
${scale}</figure>`;
}

function probabilityScale(): Markup {
  return html`<div class="scale" data-scale="probability"></div>
<div class="scale-ends"><span>0</span><span>¼</span><span>1</span></div>`;
}

function differenceScale(): Markup {
  return html`<div class="scale" data-scale="difference"></div>
<div class="scale-ends"><span>−1</span><span>same bits</span><span>+1</span></div>`;
}
