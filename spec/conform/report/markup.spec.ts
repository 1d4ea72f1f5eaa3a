/** Nothing that a trace or a vocabulary spells becomes markup. */

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { embeddedJson, escapeText, html, trusted } from '../../../src/conform/report/markup.ts';

const markup = suite('report markup');

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    ...['</script><script>alert(1)</script>', '" onload="alert(1)', "' x='", '<!--', ']]>', '&lt;'],
    ...['<img src=x onerror=alert(1)>', '\u2028\u2029', '\ud800', '\u202e<b>', '\0', '{{x}}'],
  ),
);

const ENTITIES: Record<string, string> = {
  ...{ '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" },
};

markup('law: text stays text between tags and in attributes, and reads back as it was', () => {
  fc.assert(
    fc.property(hostile, hostile, (text, attribute) => {
      const { markup: page } = html`<td title="${attribute}">${text}</td>`;
      const [, title = '', body = ''] = /^<td title="([^"<>]*)">([^<>]*)<\/td>$/s.exec(page) ?? [];
      for (const [shown, given] of [
        [title, attribute],
        [body, text],
      ]) {
        const read = shown.replace(/&(amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity]);
        assert.is(read.replace(/\ufffd/g, '').length <= given.length, true);
        if (/^[\x20-\x7e一-鿿\n]*$/.test(given)) assert.is(read, given);
      }
    }),
    { seed: 1, numRuns: 500 },
  );
});

markup('law: controls, marks of direction and halves of pairs are shown or replaced', () => {
  assert.is(escapeText('a\0b\x1b[1m\x7f'), 'a␀b␛[1m␡');
  assert.is(escapeText('\u202eabc\u2066'), '\ufffdabc\ufffd');
  assert.is(escapeText('\ud83d x \ude00 \ud83d\ude00'), '\ufffd x \ufffd 😀');
  assert.is(escapeText('▁你好\n'), '▁你好\n');
});

markup('law: embedded JSON cannot end its element, and reads back as it was', () => {
  fc.assert(
    fc.property(fc.dictionary(hostile, fc.array(hostile)), (value) => {
      const { markup: json } = embeddedJson(value);
      assert.not.match(json, /[<>&\u2028\u2029]/);
      assert.equal(JSON.parse(json), JSON.parse(JSON.stringify(value)));
    }),
    { seed: 1, numRuns: 300 },
  );
});

markup('law: markup, lists, numbers and nothing are joined as they are', () => {
  const items = ['a<', 2].map((item) => html`<li>${item}</li>`);
  const { markup: list } = html`<ul>${items}${undefined}</ul>${trusted('<hr>')}`;
  assert.is(list, '<ul><li>a&lt;</li><li>2</li></ul><hr>');
});

markup.run();
