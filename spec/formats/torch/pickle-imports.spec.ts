import { suite } from 'uvu';
import { readPickle } from '../../../src/formats/torch/pickle-reader.ts';
import { STATE_DICT_HOOKS } from '../../../src/formats/torch/rebuild.ts';
import { code, pickle, rawPickle } from '../../support/pickle-code.ts';
import { type ExpectedRefusal, expectRefusal } from '../../support/refusal.ts';

const imports = suite('torch/pickle-imports');

const FILE = 'pytorch_model.bin';
const refuse = (bytes: Uint8Array, expected: ExpectedRefusal) =>
  expectRefusal(() => readPickle(bytes, FILE, STATE_DICT_HOOKS), { file: FILE, ...expected });

const GLOBALS = [
  ['os', 'system'],
  ['posix', 'system'],
  ['nt', 'system'],
  ['builtins', 'eval'],
  ['__builtin__', 'eval'],
  ['pip', 'main'],
  ['pkgutil', 'resolve_name'],
  ['torch.jit', '_script'],
  ['torch._utils', '_rebuild_tensor_v3'],
  ['torch', 'load'],
  ['torch', 'FloatStorage.mro'],
  ['torch', 'ComplexFloatStorage'],
  ['torch.FloatStorage', ''],
  ['', 'torch.FloatStorage'],
  ['collections', 'OrderedDict '],
  ['collections.OrderedDict', 'fromkeys'],
  ['collections', 'defaultdict'],
  ['torch._utils', '_rebuild_parameter_with_state'],
  ['Torch', 'FloatStorage'],
  ['__proto__', 'constructor'],
];

imports('error: PT14 every import that is not on the list, where it stands', async () => {
  const fix = /Save only the weights|Do not unpickle/;
  for (const [module, name] of GLOBALS) {
    for (const protocol of [2, 4]) {
      const { bytes } = pickle({ tuple: ['x', { global: [module, name] }] }, protocol);
      // Before STACK_GLOBAL: PROTO, FRAME, 'x' and both texts, each of them with MEMOIZE.
      const at = 2 + 9 + 4 + 6 + module.length + name.length;
      const place = protocol === 2 ? 'byte 8 (GLOBAL)' : `byte ${at} (STACK_GLOBAL)`;
      await refuse(bytes, {
        code: 'pickle-global',
        where: `data.pkl, ${place}`,
        message: [`"${module}.${name}"`, 'asks Python to run code'],
        fix,
      });
    }
  }
  for (const protocol of [2, 4]) {
    for (const names of [
      ['os', 'x'.repeat(513)],
      ['x'.repeat(513), 'os'],
    ] as const) {
      const { bytes } = pickle({ global: names }, protocol);
      await refuse(bytes, { code: 'pickle-length', expected: 512, found: 513 });
    }
  }
});

imports('error: PT24 the imports of training checkpoints get a hint', async () => {
  for (const name of [
    ['argparse', 'Namespace'],
    ['numpy.core.multiarray', 'scalar'],
    ['transformers.training_args', 'TrainingArguments'],
    ['torch.optim.adam', 'Adam'],
    ['_codecs', 'encode'],
  ] as const) {
    const fix = 'training checkpoint: save its weights, torch.save(model.state_dict()';
    await refuse(pickle({ global: name }).bytes, { code: 'pickle-global', fix });
  }
});

imports('error: STACK_GLOBAL of anything but two texts', async () => {
  const where = '(STACK_GLOBAL)';
  for (const opcodes of [
    code('K', 1, 0x8c, 1, 'x'),
    code(0x8c, 1, 'x', 'K', 1),
    code(']', 0x8c, 1, 'x'),
    code('ctorch\nFloatStorage\n', 0x8c, 1, 'x'),
  ]) {
    const expected = { code: 'pickle-type', where, message: 'a text', expected: 'a text' } as const;
    await refuse(rawPickle(opcodes, 0x93), expected);
  }
  for (const opcodes of [code(), code(0x8c, 1, 'x'), code(0x8c, 1, 'x(', 0x8c, 1, 'y')]) {
    await refuse(rawPickle(opcodes, 0x93), { code: 'pickle-stack', where });
  }
});

imports.run();
