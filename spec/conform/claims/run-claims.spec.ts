/** Whole runs with backends made in memory: one that is right, and one wrong in each claim. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type {
  ClaimName,
  ConformBackend,
  ConformReference,
  ConformReport,
} from '../../../src/conform/claims/claim.ts';
import {
  conformReportToJson,
  conformReportToText,
} from '../../../src/conform/claims/conform-report.ts';
import { makeRequests } from '../../../src/conform/claims/requests.ts';
import { runClaims } from '../../../src/conform/claims/run-claims.ts';
import { compareBackends } from '../../../src/conform/compare-backends.ts';
import { BaichuanError, type ErrorCode } from '../../../src/errors.ts';
import { GOLDENS } from '../../support/goldens.ts';
import { expectRefusal } from '../../support/refusal.ts';
import { goldenTensors, memoryTrace, type NamedTensors } from '../../support/traces.ts';

const spec = suite('conform run');

const [golden] = GOLDENS;
const V = 31;
const requests = await makeRequests({
  vocabSize: V,
  modelMaxLength: 70,
  continuation: async () => [5, 6, 7],
});
const encode = async (text: string) => Array.from(text, (character) => character.length);
const scoresAt = (ids: readonly number[], position: number) =>
  Float32Array.from({ length: V }, (_, i) => ((ids[position] * (i + 5) + position) % 17) / 4);
const next: ConformReference['next'] = async ({ ids, positions }) =>
  positions.map((position) => scoresAt(ids, position));
const trace = (change: (tensors: NamedTensors) => void = () => {}) => {
  const tensors = goldenTensors(golden);
  change(tensors);
  return memoryTrace(tensors);
};

const reference: ConformReference & { model: string } = {
  model: 'the model',
  encode,
  chat: async (messages) => messages.map(({ content }) => content.length),
  trace: () => trace(),
  next,
  compare: (expected, found, arithmetic) => compareBackends(expected, found, { class: arithmetic }),
  bar: () => 1e-6,
};

const right: ConformBackend = {
  name: 'the backend',
  encode: ({ text }) => encode(text),
  chat: async ({ messages }) => messages.map(({ content }) => content.length),
  trace: () => trace(),
  next: async (request) =>
    (await next(request)).map((values) => ({ kind: 'scores', values }) as const),
  why: (claim) => `it has no ${claim}`,
  close: async () => {},
};

const run = (backend: Partial<ConformBackend>, named?: ClaimName[]): Promise<ConformReport> =>
  runClaims(requests, { ...right, ...backend }, reference, { class: 'f32', named });

const statuses = ({ claims }: ConformReport) =>
  Object.fromEntries(claims.map(({ claim, status }) => [claim, status]));

const ALL_PASS = {
  ...{ tokenizer: 'pass', chat: 'pass', layers: 'pass' },
  ...{ logits: 'pass', generation: 'pass', determinism: 'pass' },
};

spec('law: a backend that is right passes every claim', async () => {
  const report = await run({});
  assert.equal([report.pass, statuses(report)], [true, ALL_PASS]);
  assert.match(conformReportToText(report), /^the backend, against the model\ntokenizer +PASS/);
  assert.match(conformReportToText(report), /\nPASS in class f32: 6 claims tested, 0 failed\n$/);
});

type Scores = Awaited<ReturnType<ConformReference['next']>>;

/** Scores changed by request and place. */
const altered =
  (change: (rows: Scores, id: string) => void): ConformBackend['next'] =>
  async (request) => {
    const rows = await next(request);
    change(rows, request.id);
    return rows.map((values) => ({ kind: 'scores', values }));
  };

const WRONG: readonly (readonly [string, Partial<ConformBackend>, ClaimName, RegExp])[] = [
  [
    'that puts a token in front',
    { encode: async ({ text }) => [1, ...(await encode(text))] },
    'tokenizer',
    /; 1 stands in front, which this family does not add/,
  ],
  [
    'that ends too early',
    { encode: async ({ text }) => (await encode(text)).slice(0, 5) },
    'tokenizer',
    /id 5: expected 1, found the end/,
  ],
  [
    'that leaves a chat out',
    { chat: async (chat) => (chat.id === 'system' ? undefined : right.chat(chat)) },
    'chat',
    /system: no answer/,
  ],
  [
    'with ReLU for SiLU',
    {
      trace: () =>
        trace((tensors) => {
          const name = 'model.layers.1.mlp.act_fn.output';
          const gate = tensors.get('model.layers.1.mlp.gate_proj.output');
          const shape = gate?.shape ?? [];
          const values = Float32Array.from(gate?.values ?? [], (x) => Math.max(0, x));
          tensors.set(name, { shape, values });
        }),
    },
    'layers',
    /parts at model\.layers\.1\.mlp\.act_fn\.output, looks like activation-relu/,
  ],
  [
    'that does not show a layer',
    { trace: () => trace((tensors) => tensors.delete('model.layers.1.output')) },
    'layers',
    /model\.layers\.1\.output was not recorded/,
  ],
  [
    'wrong from 64 tokens on',
    { next: altered((rows, id) => id === 'logits-64' && rows[0].fill(rows[0][4] + 1, 4, 5)) },
    'logits',
    /logits-64: after position 63: off by 1\.0e\+0 of \S+; token 4: expected/,
  ],
  [
    'that chooses another token at the second step',
    { next: altered((rows, id) => id === 'generation' && rows[1].fill(99, 4, 5)) },
    'generation',
    /after position 13: expected token \d+, found 4/,
  ],
  [
    'that gives other bits the third time',
    { next: altered((rows, id) => id === 'repeat-3' && rows[0].fill(rows[0][4] + 2e-7, 4, 5)) },
    'determinism',
    /repeat-3: differs by 2\.4e-7/,
  ],
  [
    'that says NaN',
    { next: altered((rows, id) => id === 'logits-1' && rows[0].fill(Number.NaN, 4, 5)) },
    'logits',
    /logits-1: after position 0: expected token \d+, found none: /,
  ],
];

for (const [title, backend, claim, detail] of WRONG) {
  spec(`law: a backend ${title} fails in ${claim} alone`, async () => {
    const report = await run(backend);
    assert.not(report.pass);
    assert.equal(statuses(report), { ...ALL_PASS, [claim]: 'fail' });
    assert.match(conformReportToText(report), detail);
    assert.match(conformReportToText(report), /\nFAIL in class f32: 6 claims tested, 1 failed\n$/);
  });
}

spec(
  'law: what a backend has no answers to is not tested, and fails only if it was named',
  async () => {
    const mute = { encode: async () => undefined, trace: async () => undefined };
    const report = await run(mute);
    const expected = { ...ALL_PASS, tokenizer: 'not-tested', layers: 'not-tested' };
    assert.equal([report.pass, statuses(report)], [true, expected]);
    assert.match(conformReportToText(report), /\nlayers +– +it has no layers\n/);
    assert.not((await run(mute, ['layers', 'logits'])).pass);
    assert.ok((await run(mute, ['logits'])).pass);
  },
);

spec('law: a backend that answers nothing does not pass', async () => {
  const none = async () => undefined;
  assert.not((await run({ encode: none, chat: none, trace: none, next: none })).pass);
});

spec('law: a model without tokenizer is not asked about', async () => {
  const silent = { ...reference, encode: async () => undefined, chat: async () => undefined };
  const report = await runClaims(requests, right, silent, { class: 'f32' });
  const { tokenizer: _tokenizer, chat: _chat, ...others } = ALL_PASS;
  assert.equal([report.pass, statuses(report)], [true, others]);
  const named = ['tokenizer', 'logits'] as const;
  const asked = await runClaims(requests, right, silent, { class: 'f32', named });
  assert.equal([asked.pass, statuses(asked)], [false, { ...others, tokenizer: 'not-tested' }]);
});

spec('law: the class decides how far layers may be off', async () => {
  const close: Partial<ConformBackend> = {
    trace: () =>
      trace((tensors) => {
        const name = 'model.layers.1.mlp.act_fn.output';
        const { shape = [], values = [] } = tensors.get(name) ?? {};
        tensors.set(name, { shape, values: Float32Array.from(values, (x) => x * 1.001) });
      }),
  };
  const passes = async (arithmetic: 'f32' | 'bf16') =>
    (await runClaims(requests, { ...right, ...close }, reference, { class: arithmetic })).pass;
  assert.equal([await passes('f32'), await passes('bf16')], [false, true]);
});

spec('law: the JSON says of every claim and case what the text says, and more', async () => {
  const report = JSON.parse(conformReportToJson(await run(WRONG[8][1])));
  assert.equal(Object.keys(report), ['pass', 'backend', 'model', 'class', 'claims']);
  const logits = report.claims[3];
  assert.equal(Object.keys(logits), ['claim', 'status', 'detail', 'cases']);
  const [first] = logits.cases;
  assert.equal(Object.keys(first), ['id', 'status', 'detail', 'difference', 'allowed']);
  assert.equal([first.id, first.status, first.difference], ['logits-1', 'fail', 'Infinity']);
  assert.is(report.claims[2].cases[0].comparison.pass, true);
});

spec('law: requests are announced before they are sent', async () => {
  const told: string[] = [];
  const onRequest = (claim: ClaimName, id: string) => told.push(`${claim} ${id}`);
  await runClaims(requests, right, reference, { class: 'f32', onRequest });
  const { texts, chats, prefills } = requests;
  assert.is(told.length, texts.length + chats.length + prefills.length);
  assert.is(told.at(-1), 'determinism repeat-3');
});

/** A backend whose answers to some requests are errors. */
const failing = (code: ErrorCode, isBad: (id: string) => boolean): ConformBackend['next'] => {
  return async (request) => {
    if (!isBad(request.id)) return right.next(request);
    throw new BaichuanError(code, { where: 'x', what: 'It is too long.', fix: 'Ask less.' });
  };
};

spec('law: an error after other answers is the verdict of its case, and of no other', async () => {
  for (const id of ['logits-2', 'generation', 'repeat-1', 'repeat-3']) {
    for (const code of ['server-status', 'server-closed', 'backend-failed'] as const) {
      const report = await run({ next: failing(code, (other) => other === id) });
      const cases = report.claims.flatMap((claim) => claim.cases);
      const failed = cases.filter(({ status }) => status !== 'pass');
      assert.equal(
        failed.map((one) => one.id),
        [id],
      );
      assert.is(failed[0].detail, `${code}: x: It is too long. Ask less.`);
    }
  }
});

spec('law: a trace that cannot be compared fails its claim alone', async () => {
  const wrong = { shape: [1], values: Float64Array.of(1), dtype: 'I64' } as const;
  const report = await run({ trace: () => trace((tensors) => tensors.set('input_ids', wrong)) });
  assert.equal(statuses(report), { ...ALL_PASS, layers: 'fail' });
  assert.match(conformReportToText(report), /layers: trace-prompt: /);
});

spec('error: a backend that is gone, or whose first answer is an error, ends the run', async () => {
  for (const code of ['server-unreachable', 'server-timeout', 'aborted'] as const) {
    const next = failing(code, (id) => id === 'logits-2');
    await expectRefusal(() => run({ next }), { code });
  }
  const none = async () => undefined;
  const mute = { encode: none, chat: none, trace: none };
  const next = failing('server-status', (id) => id === 'logits-1');
  await expectRefusal(() => run({ ...mute, next }), { code: 'server-status' });
});

spec('error: a run that is interrupted', async () => {
  const signal = AbortSignal.abort();
  const start = () => runClaims(requests, right, reference, { class: 'f32', signal });
  await expectRefusal(start, { code: 'aborted', fix: '--claims' });
});

spec.run();
