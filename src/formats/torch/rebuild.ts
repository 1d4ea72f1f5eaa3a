/** The names that a state dict may import, and what they make: descriptions of storages and
 *  tensors.
 *
 *    storage   persistent id ('storage', torch.BFloat16Storage, key, location, elements)
 *    tensor    torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, grad, hooks)
 *    parameter torch._utils._rebuild_parameter(tensor, grad, hooks)
 *
 *  Source: PyTorch, torch/_utils.py and torch/serialization.py, from 1.6 to 2.9. Whether a tensor
 *  lies inside its storage is asked when its name is known, in `state-dict.ts`; its rank here,
 *  since every tensor copies the tuples of its shape and strides, which may be one for all. */
import { type BaichuanError, quote } from '../../errors.ts';
import type { ElementType } from '../checkpoint.ts';
import type { PickleHooks, PickleMachine } from './pickle-machine.ts';
import { describeValue, type PickleTuple, type PickleValue } from './pickle-values.ts';

const STORAGE_TYPES: ReadonlyMap<string, ElementType> = new Map([
  ['torch.DoubleStorage', 'F64'],
  ['torch.FloatStorage', 'F32'],
  ['torch.HalfStorage', 'F16'],
  ['torch.BFloat16Storage', 'BF16'],
  ['torch.LongStorage', 'I64'],
  ['torch.IntStorage', 'I32'],
  ['torch.ShortStorage', 'I16'],
  ['torch.CharStorage', 'I8'],
  ['torch.ByteStorage', 'U8'],
  ['torch.BoolStorage', 'BOOL'],
]);

const ORDERED_DICT = 'collections.OrderedDict';
const TENSOR = 'torch._utils._rebuild_tensor_v2';
const PARAMETER = 'torch._utils._rebuild_parameter';

const MAX_RANK = 8;

/** Where the bytes of a tensor were when it was saved; all are the same in the file. */
const LOCATION = /^(cpu|(cuda|hpu|mps|npu|xpu)(:\d{1,4})?)$/;

/** Names that speak of a training run, not of an attack. */
const TRAINING = new RegExp(
  `^(${[
    ...['_codecs', 'accelerate', 'argparse', 'datetime', 'deepspeed', 'lightning', 'numpy'],
    ...['omegaconf', 'pathlib', 'peft', 'pytorch_lightning', 'transformers', 'trl'],
    ...['torch\\.optim', 'torch\\.distributed'],
  ].join('|')})\\b`,
);

/** The hooks of the pickle reader for a state dict. */
export const STATE_DICT_HOOKS: PickleHooks = {
  resolve: resolveName,
  call: callName,
  persistent: readStorage,
};

function resolveName(module: string, attribute: string, machine: PickleMachine) {
  const name = `${module}.${attribute}`;
  const isKnown = [ORDERED_DICT, TENSOR, PARAMETER].includes(name) || STORAGE_TYPES.has(name);
  // `a.b` and `c` make the same text as `a` and `b.c`, which Python would look up elsewhere.
  if (isKnown && !attribute.includes('.')) return { kind: 'global', name } as const;
  throw machine.error('pickle-global', {
    what: `it imports ${quote(name)}: this file asks Python to run code that no state dict needs.`,
    fix: globalFix(name),
    expected: 'OrderedDict, storages and tensors',
    found: quote(name),
  });
}

function globalFix(name: string): string {
  const save = 'torch.save(model.state_dict(), "pytorch_model.bin")';
  if (TRAINING.test(name))
    return `This looks like a training checkpoint: save its weights, ${save}.`;
  if (name.startsWith('torch.')) return `Save only the weights as dense tensors, ${save}.`;
  return 'Do not unpickle this file in Python; get the weights from a source that you trust.';
}

function callName(
  { name }: { readonly name: string },
  { items }: PickleTuple,
  machine: PickleMachine,
): PickleValue {
  if (name === ORDERED_DICT) {
    if (items.length > 0) throw argumentError(machine, name, items, 'no arguments');
    machine.countContainer();
    return { kind: 'dict', isOrdered: true, entries: new Map() };
  }
  if (name === TENSOR) return rebuildTensor(items, machine);
  if (name === PARAMETER) return rebuildParameter(items, machine);
  const what = `it calls ${name}, which is a type of storage.`;
  throw machine.error('torch-tensor', { what, found: name });
}

function rebuildTensor(items: readonly PickleValue[], machine: PickleMachine): PickleValue {
  const [storage, offset, shape, strides, grad, hooks, metadata = null] = items;
  expectRank(shape, machine);
  expectRank(strides, machine);
  const isPlain = items.length <= 7 && isFlag(grad) && isNoHooks(hooks) && isEmpty(metadata);
  if (isPlain && isStorage(storage) && isSize(offset) && isSizes(shape) && isSizes(strides)) {
    const [sizes, steps] = [numbersOf(shape), numbersOf(strides)];
    if (sizes.length === steps.length) {
      machine.countTensor();
      return { kind: 'tensor', storage, offset, shape: sizes, strides: steps };
    }
  }
  const form = 'storage, offset, shape, strides, False, OrderedDict()';
  throw argumentError(machine, TENSOR, items, form);
}

function expectRank(sizes: PickleValue | undefined, machine: PickleMachine): void {
  const rank = isTuple(sizes) ? sizes.items.length : 0;
  if (rank <= MAX_RANK) return;
  throw machine.error('torch-extent', {
    what: `the tensor has ${rank} axes, where at most ${MAX_RANK} are read.`,
    fix: 'Write the file anew with torch.save, with tensors of fewer axes.',
    expected: MAX_RANK,
    found: rank,
  });
}

function rebuildParameter(items: readonly PickleValue[], machine: PickleMachine): PickleValue {
  const [data, grad, hooks] = items;
  const isTensor = typeof data === 'object' && data?.kind === 'tensor';
  if (items.length === 3 && isTensor && isFlag(grad) && isNoHooks(hooks)) return data;
  throw argumentError(machine, PARAMETER, items, 'tensor, False, OrderedDict()');
}

function isFlag(value: PickleValue | undefined): boolean {
  return typeof value === 'boolean';
}

/** Hooks are code; an empty OrderedDict, or None, is none. */
function isNoHooks(value: PickleValue | undefined): boolean {
  if (value === null) return true;
  return typeof value === 'object' && value.kind === 'dict' && value.entries.size === 0;
}

/** What newer versions say of a tensor beside its bytes, such as that its sign is turned. */
function isEmpty(value: PickleValue): boolean {
  return isNoHooks(value);
}

function isStorage(value: PickleValue | undefined) {
  return typeof value === 'object' && value?.kind === 'storage';
}

function isSize(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}

function isSizes(value: PickleValue | undefined): value is PickleTuple {
  return isTuple(value) && value.items.every(isSize);
}

function isTuple(value: PickleValue | undefined): value is PickleTuple {
  return typeof value === 'object' && value?.kind === 'tuple';
}

function numbersOf({ items }: PickleTuple): number[] {
  return items.filter(isSize);
}

function argumentError(
  machine: PickleMachine,
  name: string,
  items: readonly PickleValue[],
  expected: string,
): BaichuanError {
  const shown = items.slice(0, 8).map(describeValue).join(', ');
  return machine.error('torch-tensor', {
    what: `${name} is called with (${shown}), where (${expected}) is read.`,
    fix: 'Save only the state dict, as dense tensors, with torch.save(model.state_dict(), …).',
    expected,
    found: items.length,
  });
}

/** A storage, by its persistent id. The same key always means the same storage. */
function readStorage(id: PickleValue, machine: PickleMachine): PickleValue {
  const items = typeof id === 'object' && id?.kind === 'tuple' ? id.items : [];
  const [word, type, key, location, elements] = items;
  const name = typeof type === 'object' && type?.kind === 'global' ? type.name : undefined;
  const dtype = name === undefined ? undefined : STORAGE_TYPES.get(name);
  const fault = (what: string, found: string | number) =>
    machine.error('torch-persistent-id', { what: `the storage ${what}.`, found });
  if (items.length !== 5 || word !== 'storage') {
    throw fault(
      `is named by ${describeValue(id)} of ${items.length} items, not by 5`,
      items.length,
    );
  }
  if (dtype === undefined) throw fault(`has for type ${describeValue(type)}`, describeValue(type));
  if (typeof key !== 'string') throw fault('has no text for key', describeValue(key));
  if (typeof location !== 'string' || !LOCATION.test(location)) {
    const found = typeof location === 'string' ? quote(location) : describeValue(location);
    throw fault(`is on the device ${found}, which is not known`, found);
  }
  if (!isSize(elements) || elements < 0) {
    throw fault(
      `has ${describeValue(elements)} for its count of elements`,
      describeValue(elements),
    );
  }
  return { kind: 'storage', dtype, key, elements };
}
