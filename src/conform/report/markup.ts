/** HTML and SVG from templates in which every value is text unless it is markup already:
 *
 *      html`<td>${name}</td>`      name = "<b>"  gives  <td>&lt;b&gt;</td>
 *
 *  Names of tensors and spellings of tokens come from files of others; only this file decides what
 *  becomes markup. Values stand between tags or in double-quoted attributes, nowhere else. */

/** A finished piece of a page. */
export interface Markup {
  readonly markup: string;
}

/** What a template takes: text, numbers, markup, lists of them; undefined gives nothing. */
export type Fragment = Markup | string | number | undefined | readonly Fragment[];

/** Joins a template with its values, escaped. */
export function html(strings: TemplateStringsArray, ...values: readonly Fragment[]): Markup {
  const parts = strings.map((text, index) => text + textOf(values[index]));
  return { markup: parts.join('') };
}

/** Text of this project's own that is markup: style sheets, scripts. */
export function trusted(markup: string): Markup {
  return { markup };
}

function textOf(value: Fragment): string {
  if (value === undefined) return '';
  if (typeof value === 'string' || typeof value === 'number') return escapeText(String(value));
  return 'markup' in value ? value.markup : value.map(textOf).join('');
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand between tags and in a quoted attribute. */
export function escapeText(text: string): string {
  return visible(text).replace(/[&<>"']/g, (character) => ESCAPES[character]);
}

/** Controls would vanish or turn the text around them, and half a pair is no character. */
function visible(text: string): string {
  return text
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
    .replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
    .replace(/[\p{Cc}]/gu, controlPicture);
}

/** U+2400 … shows the ASCII controls; line feeds and tabs stay, as pages fold them to a space. */
function controlPicture(character: string): string {
  const code = character.charCodeAt(0);
  if (character === '\n' || character === '\t') return character;
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : '\ufffd';
}

/** JSON as it may stand in a script element: no character that could end it. */
export function embeddedJson(value: unknown): Markup {
  const json = JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return { markup: json };
}
