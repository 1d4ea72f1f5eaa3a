import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readPickle } from '../../../src/formats/torch/pickle-reader.ts';
import type { PickleValue, TorchTensor } from '../../../src/formats/torch/pickle-values.ts';
import { STATE_DICT_HOOKS } from '../../../src/formats/torch/rebuild.ts';
import { concatenated } from '../../support/model-files.ts';
import {
  type Code,
  code,
  ORDERED_DICT,
  orderedDict,
  pickle,
  rawPickle,
} from '../../support/pickle-code.ts';
import { type ExpectedRefusal, expectRefusal } from '../../support/refusal.ts';
import { parameterCode, STORAGES, tensorCode, wholeView } from '../../support/torch-file.ts';

const rebuild = suite('torch/rebuild');

const read = (value: Code): PickleValue =>
  readPickle(pickle(value).bytes, 'x.bin', STATE_DICT_HOOKS);
const refuse = (value: Code, expected: ExpectedRefusal) =>
  expectRefusal(() => read(value), { file: 'x.bin', ...expected });

const view = wholeView('BF16', '12', [3, 5]);
const described: TorchTensor = {
  kind: 'tensor',
  storage: { kind: 'storage', dtype: 'BF16', key: '12', elements: 15 },
  offset: 0,
  shape: [3, 5],
  strides: [5, 1],
};

rebuild('law: a tensor is described, with or without hooks, as a parameter or plain', () => {
  assert.equal(read(tensorCode(view)), described);
  assert.equal(read(tensorCode(view, null)), described);
  assert.equal(read(parameterCode(tensorCode(view))), described);
  const strange = { ...view, offset: 2 ** 33, shape: [2 ** 40], strides: [7] };
  const expected = { offset: 2 ** 33, shape: [2 ** 40], strides: [7] };
  assert.equal(read(tensorCode(strange)), { ...described, ...expected });
});

rebuild('law: every storage class has its type', () => {
  for (const [dtype, [name]] of Object.entries(STORAGES)) {
    const value = read(tensorCode({ ...view, dtype }));
    assert.ok(typeof value === 'object' && value?.kind === 'tensor', name);
    assert.is(value.storage.dtype, dtype);
  }
});

rebuild('law: a storage may have been on any known device', () => {
  for (const location of ['cpu', 'cuda', 'cuda:0', 'cuda:15', 'npu:3', 'mps', 'xpu:1', 'hpu']) {
    assert.equal(read(tensorCode({ ...view, location })), described, location);
  }
});

rebuild(
  'error: PT21 persistent ids of another arity, word, type, key, device or count',
  async () => {
    const type: Code = { global: ['torch', 'HalfStorage'] };
    const id: Code[] = ['storage', type, '0', 'cpu', 4];
    const changed = (index: number, value: Code): Code => ({ tuple: id.with(index, value) });
    for (const [bad, message] of [
      [{ tuple: id.slice(0, 4) }, 'of 4 items'],
      [{ tuple: [...id, null] }, 'of 6 items'],
      ['storage', 'a text'],
      [{ list: [...id] }, 'a list'],
      [changed(0, 'module'), 'of 5 items'],
      [changed(1, 'HalfStorage'), 'a text'],
      [changed(1, { global: ['collections', 'OrderedDict'] }), 'collections.OrderedDict'],
      [changed(2, 0), 'no text for key'],
      [changed(3, 'meta'), 'device "meta"'],
      [changed(3, 'cuda:'), 'device'],
      [changed(3, null), 'device None'],
      [changed(4, -1), 'count of elements'],
      [changed(4, 1.5), 'count of elements'],
      [changed(4, '4'), 'count of elements'],
      [changed(4, 2n ** 63n), 'more than 53 bits'],
    ] as [Code, string][]) {
      await refuse(
        { persistent: bad },
        {
          code: 'torch-persistent-id',
          where: '(BINPERSID)',
          message,
        },
      );
    }
  },
);

rebuild('error: tensors and parameters rebuilt from other arguments', async () => {
  const tensor = tensorCode(view) as { call: Code; with: Code[] };
  const changed = (index: number, value: Code): Code => ({
    ...tensor,
    with: tensor.with.with(index, value),
  });
  const tuple = (...items: Code[]): Code => ({ tuple: items });
  const hooks = orderedDict([['hook', 1]]);
  for (const bad of [
    { ...tensor, with: tensor.with.slice(0, 5) },
    { ...tensor, with: [...tensor.with, { dict: [['neg', true]] }] },
    { ...tensor, with: [...tensor.with, null, null] },
    changed(0, 'storage'),
    changed(1, '0'),
    changed(1, 0.5),
    changed(1, 2n ** 60n),
    changed(2, { list: [3, 5] }),
    changed(2, tuple(3, '5')),
    changed(2, tuple(3, 2n ** 62n)),
    changed(3, tuple(5)),
    changed(4, 0),
    changed(5, hooks),
    changed(5, { list: [] }),
    parameterCode('tensor'),
    { ...(parameterCode(tensor) as { call: Code }), with: [tensor, true] },
    { ...(parameterCode(tensor) as { call: Code }), with: [tensor, true, hooks] },
    { call: { global: ['collections', 'OrderedDict'] }, with: [{ list: [] }] },
    { call: { global: ['torch', 'HalfStorage'] }, with: [4] },
  ] as Code[]) {
    await refuse(bad, { code: 'torch-tensor', where: '(REDUCE)' });
  }
  assert.equal(read({ ...tensor, with: [...tensor.with, ORDERED_DICT] }), described);
});

rebuild('error: PT23 more axes than are read, in the shape or in the strides alone', async () => {
  const ones = (rank: number): number[] => new Array(rank).fill(1);
  for (const [shape, strides] of [
    [ones(9), ones(9)],
    [[3, 5], ones(9)],
    [ones(9), [5, 1]],
  ]) {
    await refuse(tensorCode({ ...view, shape, strides }), {
      code: 'torch-extent',
      where: '(REDUCE)',
      expected: 8,
      found: 9,
    });
  }
  assert.equal(read(tensorCode({ ...view, shape: ones(8), strides: ones(8) })), {
    ...described,
    shape: ones(8),
    strides: ones(8),
  });
});

rebuild('error: one long shape of many tensors is not copied into each', async () => {
  const { call, with: given } = tensorCode(view) as { call: Code; with: Code[] };
  const opcodes = (value: Code) => pickle(value).bytes.subarray(2, -1);
  const long = new Array(900_000).fill(1);
  const bytes = rawPickle(
    ...[opcodes(call), 'q', 0, opcodes({ tuple: given.with(2, { tuple: long }) }), 'q', 1],
    concatenated(new Array(40).fill(code('h', 0, 'h', 1, 'R'))),
  );
  await expectRefusal(() => readPickle(bytes, 'x.bin', STATE_DICT_HOOKS), {
    code: 'torch-extent',
    found: 900_000,
  });
});

rebuild.run();
