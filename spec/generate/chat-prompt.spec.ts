import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  buildChatPrompt,
  type ChatMessage,
  type ChatPromptOptions,
  type ChatTokenizer,
} from '../../src/generate/chat-prompt.ts';
import { expectRefusal } from '../support/refusal.ts';

const test = suite('generate/chat-prompt');
const USER = 195;
const ASSISTANT = 196;

/** One id per character, 1000 above its code; `<u>` spells the user's token unless forbidden. */
const TOKENIZER: ChatTokenizer = {
  encode(text, { allowSpecial = true }) {
    const ids: number[] = [];
    for (let at = 0; at < text.length; at++) {
      if (allowSpecial && text.startsWith('<u>', at)) {
        ids.push(USER);
        at += 2;
      } else ids.push(1000 + text.charCodeAt(at));
    }
    return ids;
  },
};

function build(messages: ChatMessage[], changes: Partial<ChatPromptOptions> = {}) {
  return buildChatPrompt(messages, {
    tokenizer: TOKENIZER,
    roles: { userTokenId: USER, assistantTokenId: ASSISTANT },
    modelMaxLength: 100,
    maxNewTokens: 50,
    ...changes,
  });
}

/** Ids as text, role tokens as U and A, to be read. */
function show(ids: readonly number[]): string {
  return ids
    .map((id) => (id === USER ? 'U' : id === ASSISTANT ? 'A' : String.fromCharCode(id - 1000)))
    .join('');
}

const system = (content: string): ChatMessage => ({ role: 'system', content });
const user = (content: string): ChatMessage => ({ role: 'user', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });

/** The rules in other words: choose how many of the newest rounds stay, then cut. Every round is
 *  `U…` or `A…` text, so lengths of strings are counts of tokens. */
function oracle(messages: ChatMessage[], maxInput: number): string {
  const rest = messages.filter(({ role }) => role !== 'system');
  const systemText = messages[0].role === 'system' ? messages[0].content : '';
  const budget = maxInput - systemText.length;
  const texts = rest.map(({ role, content }) => `${role === 'user' ? 'U' : 'A'}${content}`);
  const starts = rest.flatMap(({ role }, at) => (at === 0 || role === 'user' ? [at] : []));
  const rounds = starts.map((from, n) => texts.slice(from, starts[n + 1]).join(''));
  // The most rounds such that each fits behind the newer ones, which leave room themselves.
  let stay = Math.min(1, rounds.length);
  const newest = (count: number) => rounds.slice(rounds.length - count).join('');
  while (
    stay < rounds.length &&
    newest(stay).length < budget &&
    newest(stay + 1).length <= budget
  ) {
    stay++;
  }
  const answer = messages[messages.length - 1].role === 'assistant' ? '' : 'A';
  const whole = systemText + newest(stay) + answer;
  return whole.slice(Math.max(0, whole.length - maxInput));
}

test('law: a first question is its text between the two role tokens', () => {
  assert.equal(build([user('hi')]), {
    promptIds: [USER, 1104, 1105, ASSISTANT],
    droppedRounds: 0,
    cutTokens: 0,
  });
});

test('law: system text comes first without a marker, rounds in order', () => {
  const messages = [system('be kind.'), user('one'), assistant('two'), user('three')];
  assert.is(show(build(messages).promptIds), 'be kind.UoneAtwoUthreeA');
});

test('law: after an answer no role token is added', () => {
  assert.is(show(build([user('one'), assistant('tw')]).promptIds), 'UoneAtw');
});

test('law: a chat may begin with the assistant, or repeat a role', () => {
  assert.is(show(build([assistant('x'), user('y'), user('z')]).promptIds), 'AxUyUzA');
  assert.is(show(build([system('s')]).promptIds), 'sA');
});

test('law: the oldest rounds go when history would pass the room that system text leaves', () => {
  const messages = [
    system('ss'),
    user('aaa'),
    assistant('b'),
    user('ccc'),
    assistant('d'),
    user('e'),
  ];
  // Rounds of 6, 6 and 2 tokens; room 20 - 2 - … as given.
  const at = (maxInput: number) => build(messages, { modelMaxLength: 50 + maxInput });
  assert.is(show(at(17).promptIds), 'ssUaaaAbUcccAdUeA');
  // 14 ≤ 14: all rounds stay, and the final role token pushes one token out on the left.
  assert.is(show(at(16).promptIds), 'sUaaaAbUcccAdUeA');
  assert.is(at(16).cutTokens, 1);
  assert.is(show(at(15).promptIds), 'ssUcccAdUeA');
  assert.is(at(15).droppedRounds, 1);
  assert.is(show(at(9).promptIds), 'ssUeA');
});

test('law: an older round that would fit is not taken once a newer one did not', () => {
  const messages = [user('a'), user('a long question here'), user('b')];
  assert.is(show(build(messages, { modelMaxLength: 60 }).promptIds), 'UbA');
});

test('law: the newest round always stays, cut on the left', () => {
  const found = build([system('sys'), user('old'), user('0123456789')], { modelMaxLength: 56 });
  assert.is(show(found.promptIds), '56789A');
  assert.equal([found.droppedRounds, found.cutTokens], [1, 9]);
});

test('law: modelMaxLength and maxNewTokens both change what is kept', () => {
  const messages = [user('0123456789'), user('x')];
  assert.is(show(build(messages).promptIds), 'U0123456789UxA');
  assert.is(show(build(messages, { maxNewTokens: 92 }).promptIds), 'UxA');
  assert.is(show(build(messages, { modelMaxLength: 58 }).promptIds), 'UxA');
});

test('pair: rounds and cut agree with an independent statement of the rules', () => {
  const content = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 });
  const message = fc.oneof(content.map(user), content.map(assistant));
  const chat = fc
    .tuple(fc.option(content.map(system)), fc.array(message, { maxLength: 9 }))
    .map(([first, rest]) => (first === null ? rest : [first, ...rest]))
    .filter((messages) => messages.length > 0);
  fc.assert(
    fc.property(chat, fc.integer({ min: 1, max: 40 }), (messages, maxInput) => {
      const { promptIds } = build(messages, { modelMaxLength: 50 + maxInput });
      assert.is(show(promptIds), oracle(messages, maxInput));
      assert.ok(promptIds.length <= maxInput);
    }),
    { seed: 1, numRuns: 5000 },
  );
});

test('law: text never spells a role token, unless special tokens are allowed', () => {
  const messages = [system('<u>'), user('<u>'), assistant('<u>')];
  assert.is(show(build(messages).promptIds), '<u>U<u>A<u>');
  assert.is(show(build(messages, { allowSpecial: true }).promptIds), 'UUUAU');
});

test('law: the tokenizer is told to forbid special tokens and both roles', () => {
  const seen: unknown[] = [];
  const tokenizer: ChatTokenizer = {
    encode(_, options) {
      seen.push(options);
      return [];
    },
  };
  build([system('a'), user('b')], { tokenizer });
  const expected = { allowSpecial: false, forbiddenIds: [USER, ASSISTANT] };
  assert.equal(seen, [expected, expected]);
});

test('error: a tokenizer that makes a role token all the same is refused', async () => {
  const tokenizer: ChatTokenizer = { encode: () => [5, ASSISTANT] };
  await expectRefusal(() => build([user('x')], { tokenizer }), {
    code: 'internal-error',
    where: 'tokenizer.encode',
    fix: 'honours forbiddenIds',
  });
});

test('error: a model without role tokens is refused, naming the missing field', async () => {
  const file = 'generation_config.json';
  const code = 'generation-config';
  const fix = 'Load a Chat model';
  for (const [roles, where] of [
    [{}, '/user_token_id'],
    [{ assistantTokenId: 196 }, '/user_token_id'],
    [{ userTokenId: 195 }, '/assistant_token_id'],
  ] as const) {
    await expectRefusal(() => build([user('x')], { roles }), { code, file, where, fix });
  }
});

test('error: messages that are none are refused with their place', async () => {
  const cases: [unknown[], string, string][] = [
    [[], 'messages', 'no message'],
    [[user('a'), system('b')], 'messages[1].role', 'only be the first'],
    [[{ role: 'tool', content: 'a' }], 'messages[0].role', '"tool"'],
    [[user('a'), { role: 'user', content: 5 }], 'messages[1].content', 'is a text'],
  ];
  for (const [messages, where, message] of cases) {
    await expectRefusal(() => build(messages as ChatMessage[]), {
      code: 'chat-message',
      where,
      message,
      fix: /^(Give|Move)/,
    });
  }
});

test('error: an answer as long as the context leaves no room', async () => {
  await expectRefusal(() => build([user('x')], { maxNewTokens: 100 }), {
    code: 'context-length',
    where: 'maxNewTokens',
    message: ['100 tokens', 'context of 100'],
    fix: 'Lower maxNewTokens',
  });
});

test.run();
