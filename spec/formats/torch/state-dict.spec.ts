import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteSource, bufferSource } from '../../../src/formats/byte-source.ts';
import { openTorch } from '../../../src/formats/torch/torch.ts';
import { countingBytes } from '../../support/model-files.ts';
import { type Code, orderedDict } from '../../support/pickle-code.ts';
import type { ExpectedRefusal } from '../../support/refusal.ts';
import { refuseFile } from '../../support/refuse-file.ts';
import {
  stateDict,
  tensorCode,
  torchFile,
  type View,
  wholeView,
} from '../../support/torch-file.ts';

const states = suite('torch/state-dict');

const storages = { '0': countingBytes(24), '1': countingBytes(24) };
const whole = wholeView('F32', '0', [2, 3]);
const good = tensorCode(whole);

const open = (source: ByteSource, blockBytes?: number) => openTorch(source, { blockBytes });

const refuse = (state: Code, expected: ExpectedRefusal) =>
  refuseFile(open, torchFile({ state, storages }).bytes, expected);

const refuseView = (view: Partial<View>, expected: Omit<ExpectedRefusal, 'code'>) =>
  refuse(stateDict({ 'a.weight': tensorCode({ ...whole, ...view }) }), {
    code: 'torch-extent',
    where: 'tensor "a.weight"',
    ...expected,
  });

states('law: a plain dict and an OrderedDict are state dicts, and so is an empty one', async () => {
  for (const state of [{ dict: [['a', good]] }, stateDict({ a: good })] as Code[]) {
    const { tensors } = await openTorch(bufferSource('x', torchFile({ state, storages }).bytes));
    assert.equal([...tensors.keys()], ['a']);
  }
  const { tensors } = await openTorch(bufferSource('x', torchFile({ state: { dict: [] } }).bytes));
  assert.is(tensors.size, 0);
});

states('error: a training checkpoint is named, with the entry to save', async () => {
  for (const name of ['state_dict', 'model', 'module']) {
    for (const order of [1, -1]) {
      const items: [Code, Code][] = [
        [name, stateDict({ a: good })],
        ['epoch', 3],
        ['optimizer', { dict: [['lr', 0.1]] }],
      ];
      await refuse(
        { dict: order > 0 ? items : items.reverse() },
        {
          code: 'torch-state-dict',
          where: `entry "${name}"`,
          message: 'training checkpoint',
          fix: `torch.load(FILE)["${name}"]`,
        },
      );
    }
  }
  const long = 'x'.repeat(100);
  const wrapped: Code = { dict: [[long, stateDict({ a: good })]] };
  await refuse(wrapped, { code: 'torch-state-dict', fix: 'Save only the weights' });
});

states('error: PT24 values that are no tensors, and files that hold no dict', async () => {
  const code = 'torch-state-dict';
  for (const [value, found] of [
    [3, 'the number 3'],
    ['text', 'a text'],
    [null, 'None'],
    [true, 'True'],
    [{ list: [good] }, 'a list'],
    [{ dict: [] }, 'a dict'],
    [{ tuple: [] }, 'a tuple'],
    [{ global: ['torch', 'HalfStorage'] }, 'the name torch.HalfStorage'],
    [2n ** 60n, 'more than 53 bits'],
  ] as [Code, string][]) {
    const where = 'entry "b"';
    await refuse(
      orderedDict([
        ['a', good],
        ['b', value],
      ]),
      { code, where, message: found },
    );
    const isDict = typeof value === 'object' && value !== null && 'dict' in value;
    if (!isDict) await refuse(value, { code, where: 'the whole file', message: found });
  }
  await refuse(good, { code, where: 'the whole file', message: 'a tensor, not a dict' });
});

states('error: PT25 names that are no texts, not printable, paths, or __proto__', async () => {
  for (const [key, message] of [
    ['__proto__', '__proto__'],
    [1, 'the number 1'],
    [null, 'None'],
    [true, 'True'],
    ['', 'is empty'],
    ['a\nb', 'control character'],
    ['../a', 'is a path'],
    ['x'.repeat(513), '513 bytes'],
    ['a\u202eb', 'not printable'],
  ] as [Code, string][]) {
    await refuse(orderedDict([[key, good]]), { code: 'torch-key', message });
  }
});

states(
  'error: PT22 storages that are missing, have a path for a key, or two meanings',
  async () => {
    const code = 'torch-storage';
    const where = 'entry "archive/data/7"';
    const missing = stateDict({ a: tensorCode({ ...whole, key: '7' }) });
    await refuse(missing, {
      code,
      where,
      message: 'no such entry',
      expected: 24,
      found: 'nothing',
    });
    for (const key of ['../data.pkl', '/etc/passwd', '0/1', '', 'é', '\0', '0'.repeat(65)]) {
      const state = stateDict({ a: tensorCode({ ...whole, key }) });
      await refuse(state, { code, where: 'tensor "a"', message: 'no name of an entry' });
    }
    const other = tensorCode({ ...whole, dtype: 'I32' });
    const mixed = { code, where: 'tensor "b"', message: ['6 I32', '6 F32'] } as const;
    await refuse(stateDict({ a: good, b: other }), mixed);
    const larger = tensorCode({ ...whole, elements: 7 });
    await refuse(stateDict({ a: good, b: larger }), { ...mixed, message: ['7 F32', '6 F32'] });
  },
);

states('error: PT23 an entry of another size than its storage', async () => {
  for (const elements of [5, 7, 2 ** 40]) {
    const view = { ...whole, elements, shape: [2, 2], strides: [2, 1] };
    await refuse(stateDict({ a: tensorCode(view) }), {
      code: 'torch-storage',
      where: 'entry "archive/data/0"',
      expected: 4 * elements,
      found: 24,
    });
  }
});

states('error: PT23 tensors that reach past their storage', async () => {
  await refuseView({ offset: 1 }, { expected: 6, found: 7 });
  await refuseView({ shape: [3, 3] }, { expected: 6, found: 9 });
  await refuseView({ strides: [4, 1] }, { expected: 6, found: 7 });
  await refuseView({ strides: [2 ** 52, 1], shape: [2 ** 31, 1] }, { expected: 6 });
  await refuseView({ shape: [], strides: [], offset: 6 }, { found: 7 });
  await refuseView({ shape: [2 ** 32], strides: [1] }, { found: 2 ** 32 });
});

states('error: PT23 negative lengths, strides and offsets, lengths beyond any', async () => {
  await refuseView({ offset: -1 }, { message: 'element -1', found: -1 });
  await refuseView({ shape: [-2, 3] }, { message: 'length -2' });
  await refuseView({ strides: [-3, 1] }, { message: 'stride -3' });
  await refuseView({ shape: [2 ** 32 + 1, 0] }, { found: 2 ** 32 + 1 });
});

states('error: PT23 elements that overlap: expanded axes and windows', async () => {
  await refuseView({ strides: [0, 1] }, { message: 'stride 0', found: 0 });
  await refuseView({ strides: [1, 0] }, { message: 'overlap' });
  await refuseView({ shape: [2 ** 20, 2 ** 20], strides: [0, 0] }, { message: 'overlap' });
  await refuseView({ shape: [3, 3], strides: [1, 1] }, { message: 'stride 1' });
  await refuseView({ shape: [2, 4], strides: [2, 1] }, { message: 'stride 2' });
});

states('law: axes of one element, and empty tensors, may have any strides', async () => {
  const views = {
    one: { ...whole, shape: [1, 6, 1], strides: [0, 1, 99] },
    empty: { ...whole, shape: [0, 5], strides: [0, 0] },
    // Found by check_torch_bin.py: an empty tensor cut from another, past the end of its storage.
    nowhere: { ...whole, shape: [3, 0], strides: [5, 1], offset: 99 },
    // Found by the fuzzer, in the reader that it compares with: an axis of any length beside 0.
    long: { ...whole, shape: [2 ** 32, 0], strides: [1, 1] },
    scalar: { ...whole, shape: [], strides: [], offset: 5 },
  };
  const state = stateDict(
    Object.fromEntries(Object.entries(views).map(([name, view]) => [name, tensorCode(view)])),
  );
  const { tensors } = await openTorch(bufferSource('x', torchFile({ state, storages }).bytes));
  const read = async (name: string) => [...((await tensors.get(name)?.read(0, 4)) ?? [])];
  assert.equal(await read('one'), [0, 1, 2, 3]);
  assert.equal(await read('scalar'), [20, 21, 22, 23]);
  assert.is(tensors.get('empty')?.byteLength, 0);
  assert.is((await tensors.get('nowhere')?.read(0, 0))?.length, 0);
});

states('error: more tensors than are read', async () => {
  const pair = Array.from({ length: 100_001 }, (_, index) => [`t${index}`, null] as const);
  await refuse({ dict: pair }, { code: 'torch-count', expected: 100_000, found: 100_001 });
});

states.run();
