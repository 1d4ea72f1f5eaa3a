import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readPickle } from '../../../src/formats/torch/pickle-reader.ts';
import { STATE_DICT_HOOKS } from '../../../src/formats/torch/rebuild.ts';
import { concatenated, joinBytes, utf8 } from '../../support/model-files.ts';
import { type Code, code, pickle, rawPickle } from '../../support/pickle-code.ts';
import { type ExpectedRefusal, expectRefusal } from '../../support/refusal.ts';
import { tensorCode, wholeView } from '../../support/torch-file.ts';

const machine = suite('torch/pickle-machine');

const FILE = 'pytorch_model.bin';
const MEMOIZE = 0x94;
const refuse = (bytes: Uint8Array, expected: ExpectedRefusal) =>
  expectRefusal(() => readPickle(bytes, FILE, STATE_DICT_HOOKS), { file: FILE, ...expected });

machine('law: a number of the memo holds what was stored under it last', () => {
  const itemsOf = (...opcodes: (number | string)[]) => {
    const value = readPickle(rawPickle('(', ...opcodes, 't'), FILE, STATE_DICT_HOOKS);
    return typeof value === 'object' && value?.kind === 'tuple' ? value.items : undefined;
  };
  const store = (value: number, ...opcodes: (number | string)[]) => ['K', value, ...opcodes];
  for (const [opcodes, expected] of [
    [
      [...store(1, 'q', 0), ...store(2, 'q', 0), 'h', 0],
      [1, 2, 2],
    ],
    [
      [...store(1, 'q', 5), ...store(2, 'q', 5), 'h', 5],
      [1, 2, 2],
    ],
    [
      [...store(1, 'q', 1), ...store(2, 'q', 0), ...store(3, 'q', 1), 'h', 1],
      [1, 2, 3, 3],
    ],
    [
      [...store(1, 'q', 1), ...store(2, 'q', 0), 'h', 1, 'h', 0],
      [1, 2, 1, 2],
    ],
    // MEMOIZE takes for number how many are stored, in turn or not.
    [
      [...store(1, MEMOIZE), ...store(2, MEMOIZE), 'h', 0, 'h', 1],
      [1, 2, 1, 2],
    ],
    [
      [...store(1, 'q', 9), ...store(2, MEMOIZE), 'h', 1, 'h', 9],
      [1, 2, 2, 1],
    ],
  ] as [(number | string)[], number[]][]) {
    assert.equal(itemsOf(...opcodes), expected);
  }
});

machine('error: PT17 bytes that are no opcode, or that end too early or too late', async () => {
  const code17 = 'pickle-syntax';
  for (const byte of [0x00, 0x21, 0x41, 0x7f, 0x98 + 1, 0xff]) {
    await refuse(rawPickle(byte), { code: code17, where: 'byte 2', message: 'no opcode' });
  }
  for (const cut of [
    code('K'),
    code('M', 1),
    code('J', 1, 2, 3),
    code('G', 1),
    code('h'),
    code('q'),
  ]) {
    const bytes = joinBytes(Uint8Array.from([0x80, 2]), code(']'), cut);
    await refuse(bytes, { code: code17, where: 'byte 3', message: 'left' });
  }
  await refuse(Uint8Array.from([0x80, 2]), { code: code17, message: 'without STOP' });
  await refuse(Uint8Array.from([0x80]), { code: code17 });
  await refuse(new Uint8Array(0), { code: code17, message: 'PROTO' });
  await refuse(utf8('}.'), { code: code17, message: 'does not begin with PROTO' });
  await refuse(joinBytes(rawPickle('}'), utf8('}')), { code: code17, message: '1 bytes follow' });
  await refuse(rawPickle('X', 2, 0, 0, 0, 0x80, 0x80), { code: code17, message: 'UTF-8' });
  await refuse(code(0x80, 2, 'cos'), { code: code17, message: 'no end' });
});

machine('error: PT18 too few values, marks or memos, too many at the end, and loops', async () => {
  const expected: ExpectedRefusal = { code: 'pickle-stack' };
  for (const opcodes of [
    'R',
    's',
    'a',
    'b',
    'Q',
    '\x85',
    'q\0',
    ']](a',
    '}(Ks',
    ']e',
    't',
    'u',
    'h\0',
    '\x94',
    ']h\x07',
  ]) {
    const bytes = Uint8Array.from(opcodes, (character) => character.charCodeAt(0));
    const tail = opcodes === '}(Ks' ? code('}(', 'K', 1, 's') : bytes;
    await refuse(rawPickle(tail), expected);
  }
  await refuse(rawPickle(''), { ...expected, message: 'has 0' });
  await refuse(rawPickle(']]'), { ...expected, expected: 1, found: 2 });
  await refuse(rawPickle(']('), { ...expected, message: 'one value' });
  await refuse(rawPickle('}(K', 1, 'u'), { ...expected, message: 'without value' });
  await refuse(rawPickle(']q', 0, 'h', 0, 'a'), {
    ...expected,
    message: 'a list is put into itself',
  });
  await refuse(rawPickle('}q', 0, 'K', 1, 'h', 0, 's'), {
    ...expected,
    message: 'a dict is put into',
  });
});

machine('error: PT19 lengths beyond the pickle, whatever the opcode', async () => {
  const tooLong: ExpectedRefusal = { code: 'pickle-length', message: 'left' };
  for (const length of [5, 2 ** 31, 2 ** 32 - 1]) {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, length, true);
    for (const opcode of [0x58, 0x42, 0x54, 0x8b]) {
      await refuse(rawPickle(opcode, bytes), { ...tooLong, found: 1, expected: length });
    }
  }
  for (const length of [2n ** 31n, 2n ** 63n, 2n ** 64n - 1n]) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    for (const opcode of [0x8d, 0x8e, 0x95, 0x96]) {
      await refuse(rawPickle(opcode, bytes), { ...tooLong, expected: Number(length) });
    }
  }
  await refuse(rawPickle(0x8c, 3), { ...tooLong, expected: 3, found: 1 });
  await refuse(rawPickle(0x8a, 3), { ...tooLong, expected: 3, found: 1 });
  await refuse(rawPickle(0x8a, 17, new Uint8Array(17)), { code: 'pickle-length', expected: 16 });
});

machine(
  'error: PT20 programs that fill stack, memo or containers end at their limits',
  async () => {
    const repeated = (opcodes: Uint8Array, count: number) => {
      const bytes = new Uint8Array(opcodes.length * count);
      for (let index = 0; index < count; index++) bytes.set(opcodes, index * opcodes.length);
      return bytes;
    };
    const limit = { code: 'pickle-limit', withinMs: 2000, withinBytes: 512 * 2 ** 20 } as const;
    await refuse(rawPickle(repeated(code('N'), 1_000_001)), { ...limit, message: 'stack' });
    await refuse(rawPickle(repeated(code('('), 1_000_001)), { ...limit, message: 'marks' });
    const laughs = code('h', 0, 'a');
    const list = rawPickle(
      ']q',
      0,
      '0'.replace('0', ''),
      '](K',
      1,
      'e',
      'q',
      0,
      ']',
      repeated(laughs, 4_000_001),
    );
    await refuse(list, { ...limit, message: 'items' });
    const doubling = code('(h', 0, 'h', 0, 'tq', 0);
    await refuse(rawPickle(')q', 0, repeated(doubling, 1_000_001)), { ...limit, message: 'stack' });
  },
);

machine('error: PT20 lists, dicts and tensors of which there are too many', async () => {
  const many = 300_003;
  const hooks = code('h', 0, ')R');
  const ordered = code('ccollections\nOrderedDict\nq', 0);
  const opcodes = (value: Code) => pickle(value).bytes.subarray(2, -1);
  const { call, with: given } = tensorCode(wholeView('F32', '0', [3])) as {
    call: Code;
    with: Code[];
  };
  const tensor = [opcodes(call), 'q', 0, opcodes({ tuple: given }), 'q', 1];
  const [containers, tensors] = [
    { message: 'containers', expected: 300_002 },
    { message: 'tensors', expected: 100_001 },
  ];
  for (const [before, repeated, limit] of [
    [[], code('}'), containers],
    [[], code(']'), containers],
    [[ordered], hooks, containers],
    [tensor, code('h', 0, 'h', 1, 'R'), tensors],
  ] as const) {
    const bytes = rawPickle(...before, concatenated(new Array(many).fill(repeated)));
    await refuse(bytes, {
      ...{ code: 'pickle-limit', ...limit },
      // A second, and a fifth of one for each megabyte that is there.
      withinMs: 1000 + 0.2 * (bytes.length / 1000),
      withinBytes: 256 * 2 ** 20,
    });
  }
});

machine.run();
