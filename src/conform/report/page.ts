/** A whole report: one HTML file that asks for nothing else. Its policy lets only its own script
 *  run, known by its hash, and forbids every request. */

import type { ReportData } from './data.ts';
import { embeddedJson, type Fragment, html, type Markup, trusted } from './markup.ts';
import { REPORT_SCRIPT } from './script.generated.ts';
import { STYLE } from './style.ts';

export interface Page {
  readonly title: string;
  /** What stands under the title. */
  readonly subtitle: Fragment;
  readonly sections: readonly (Section | undefined)[];
  readonly data: ReportData;
}

export interface Section {
  /** Of the address, #id. */
  readonly id: string;
  readonly title: string;
  /** What is shown, and how to read it. */
  readonly about?: Fragment;
  readonly body: Fragment;
}

/** The text of the file. */
export async function renderPage({ title, subtitle, sections, data }: Page): Promise<string> {
  const shown = sections.filter((section) => section !== undefined);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(REPORT_SCRIPT));
  const hash = btoa(String.fromCharCode(...new Uint8Array(digest)));
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${trusted(policy)}">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<header class="top">
<h1>${title}</h1>
<div class="soft">${subtitle}</div>
<nav aria-label="Sections"><ul>${shown.map(({ id, title: name }) => link(id, name))}</ul></nav>
</header>
<main>${shown.map(renderSection)}</main>
<footer>Written by baichuan-ts. This file needs no network.</footer>
<script type="application/json" id="report-data">${embeddedJson(data)}</script>
<script>${trusted(REPORT_SCRIPT)}</script>
</body>
</html>
`;
  return page.markup;
}

function link(id: string, name: string): Markup {
  return html`<li><a href="#${id}">${name}</a></li>`;
}

function renderSection({ id, title, about, body }: Section): Markup {
  const words = about === undefined ? undefined : html`<p class="about">${about}</p>`;
  return html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>${words}
${body}
</section>`;
}

/** A fact of a list: what it is called, and what it is. */
export function fact(name: string, value: Fragment, wide = false): Fragment {
  if (value === undefined) return undefined;
  return html`<div class="${wide ? 'wide' : ''}"><dt>${name}</dt><dd>${value}</dd></div>`;
}

/** A token as readers see it. */
export function tokenMarkup(spelling: string): Markup {
  return html`<span class="token">${spelling}</span>`;
}
