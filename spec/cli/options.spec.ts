import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expectNoWords, parseArguments } from '../../src/cli/options.ts';
import { expectRefusal } from '../support/refusal.ts';

const cli = suite('options');

const SPECS = [
  { name: 'prompt', short: 'p', value: 'TEXT', help: '' },
  { name: 'max-new-tokens', short: 'n', value: 'N', help: '' },
  { name: 'stop', value: 'TEXT', repeated: true, help: '' },
  { name: 'json', help: '' },
];
const parse = (...args: string[]) => parseArguments(args, SPECS);

cli('law: the text of an option is taken as it is, whatever it looks like', () => {
  for (const text of ['007', '1e3', '-5', '->', '--json', '', ' ', 'a=b', '你好\n', 'true']) {
    assert.is(parse('-p', text).text('prompt'), text);
    assert.is(parse('--prompt', text).text('prompt'), text);
    assert.is(parse(`--prompt=${text}`).text('prompt'), text);
  }
});

cli('law: short and long forms, joined or apart, mean the same', () => {
  for (const args of [['-n', '5'], ['-n5'], ['--max-new-tokens', '5'], ['--max-new-tokens=5']]) {
    assert.is(parse(...args).number('max-new-tokens'), 5);
  }
});

cli('law: numbers are decimal', () => {
  const number = (text: string) => parse('-n', text).number('max-new-tokens');
  assert.equal(['8', '-1', '0.5', '.5', '1e3', '+2'].map(number), [8, -1, 0.5, 0.5, 1000, 2]);
  assert.is(parse().number('max-new-tokens'), undefined);
});

cli('law: repeated options keep their order, switches are there or not, words are kept', () => {
  const args = parse('--stop', 'b', 'word', '--stop=a', '--json');
  assert.equal(args.texts('stop'), ['b', 'a']);
  assert.ok(args.has('json'));
  assert.not(parse('--stop', '--json').has('json'));
  assert.equal(args.words, ['word']);
  assert.equal(parse('--', '--json').words, ['--json']);
});

cli('error: an unknown option, with the nearest name', async () => {
  await expectRefusal(() => parse('--promt', 'x'), {
    code: 'option-unknown',
    where: '--promt',
    fix: 'Did you mean --prompt? Use --help for all.',
  });
  await expectRefusal(() => parse('-x'), { code: 'option-unknown', where: '-x', fix: '--help' });
  await expectRefusal(() => parse('--__proto__', 'x'), { code: 'option-unknown' });
  await expectRefusal(() => parse('--constructor'), { code: 'option-unknown' });
});

cli('error: a value that is missing, too many, twice or no number', async () => {
  await expectRefusal(() => parse('--prompt'), {
    code: 'option-value',
    where: '--prompt',
    message: 'needs a value, TEXT',
  });
  await expectRefusal(() => parse('--json=1'), { code: 'option-value', message: 'takes no value' });
  await expectRefusal(() => parse('-n', '1', '-n', '2'), {
    code: 'option-value',
    where: '-n',
    message: 'given twice',
  });
  for (const text of ['', 'x', '0x10', '1,5', 'NaN', 'Infinity', ' 5', '5 ', '１']) {
    await expectRefusal(() => parse('-n', text).number('max-new-tokens'), {
      code: 'option-value',
      where: '--max-new-tokens',
      message: 'is not a number',
    });
  }
});

cli('error: words where there should be none', async () => {
  await expectRefusal(() => expectNoWords(parse('hello'), 'Use --prompt.'), {
    code: 'option-unknown',
    where: '"hello"',
    fix: 'Use --prompt.',
  });
});

cli.run();
