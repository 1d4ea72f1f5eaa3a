import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeStopMatcher } from '../../src/generate/stop-strings.ts';

const test = suite('generate/stop-strings');

/** Feeds pieces until a stop string is found; what was shown, and whether one was. */
function feed(pieces: readonly string[], stopStrings: readonly string[]): [string, string | null] {
  const matcher = makeStopMatcher(stopStrings);
  let shown = '';
  for (const piece of pieces) {
    const { text, stopString } = matcher.push(piece);
    shown += text;
    if (stopString !== null) return [shown, stopString];
  }
  return [shown + matcher.finish(), null];
}

/** The same by trying every end of the text in turn. */
function cut(text: string, stopStrings: readonly string[]): [string, string | null] {
  for (let end = 1; end <= text.length; end++) {
    const found = stopStrings.filter((stop) => text.slice(0, end).endsWith(stop));
    const longest = found.sort((a, b) => b.length - a.length)[0];
    if (longest !== undefined) return [text.slice(0, end - longest.length), longest];
  }
  return [text, null];
}

test('law: a stop string across pieces ends the text and is left out', () => {
  assert.equal(feed(['Hello wo', 'rld, en', 'd of it'], ['end']), ['Hello world, ', 'end']);
  assert.equal(feed(['a', 'b', 'c'], ['abc']), ['', 'abc']);
});

test('law: text is held back as long as it may begin a stop string, no longer', () => {
  const matcher = makeStopMatcher(['\n\nQ:']);
  assert.is(matcher.push('one\n').text, 'one');
  assert.is(matcher.push('two\n').text, '\ntwo');
  assert.is(matcher.push('\nQ').text, '');
  assert.is(matcher.push('uestion').text, '\n\nQuestion');
  assert.is(matcher.finish(), '');
});

test('law: what is held back comes at the end', () => {
  assert.equal(feed(['100 %', ' of en'], ['end']), ['100 % of en', null]);
});

test('law: the stop string that is complete first counts; of those the one begun first', () => {
  assert.equal(feed(['xabcd'], ['abcd', 'bc']), ['xa', 'bc']);
  assert.equal(feed(['xabc'], ['bc', 'abc']), ['x', 'abc']);
});

test('law: after a match nothing is shown', () => {
  const matcher = makeStopMatcher(['.']);
  assert.equal(matcher.push('a.b'), { text: 'a', stopString: '.' });
  assert.equal(matcher.push('c.d'), { text: '', stopString: null });
  assert.is(matcher.finish(), '');
});

test('law: without stop strings text passes through at once', () => {
  assert.equal(feed(['a', '', 'b'], []), ['ab', null]);
  assert.is(makeStopMatcher([]).push('abc').text, 'abc');
});

test('law: where the text is cut into pieces changes neither text nor stop string', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '李', '😀'), maxLength: 24 });
  const stop = fc.string({
    unit: fc.constantFrom('a', 'b', '李', '😀'),
    minLength: 1,
    maxLength: 4,
  });
  const pieces = fc.array(text, { maxLength: 8 });
  fc.assert(
    fc.property(pieces, fc.array(stop, { maxLength: 3 }), (list, stops) => {
      assert.equal(feed(list, stops), cut(list.join(''), stops));
    }),
    { seed: 1, numRuns: 3000 },
  );
});

test.run();
