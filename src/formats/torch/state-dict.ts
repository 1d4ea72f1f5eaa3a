/** The value of a pickle as a state dict: names → tensors, each inside its storage.
 *
 *  Everything is checked here, with the name of the tensor at hand, before anything is allocated.
 *  What is no state dict, such as a training checkpoint that holds one, is refused by name. */
import { BaichuanError, type ErrorCode, quote } from '../../errors.ts';
import { tensorNameFault } from '../tensor-name.ts';
import type { TorchStorage, TorchTensor } from './pickle-values.ts';
import {
  describeValue,
  type PickleDict,
  type PickleKey,
  type PickleValue,
} from './pickle-values.ts';

const MAX_TENSORS = 100_000;
const MAX_DIM = 2 ** 32;

/** The longest name that a remedy repeats, in characters. */
const SHOWN_NAME = 40;

const SAVE = 'torch.save(model.state_dict(), "pytorch_model.bin")';

/** Takes the tensors of a state dict.
 *  @returns the tensors by name, in their order
 *  @throws torch-state-dict, torch-key, torch-extent, torch-storage, torch-count */
export function tensorsOfStateDict(value: PickleValue, file: string): Map<string, TorchTensor> {
  if (!isDict(value)) {
    throw stateDictError(file, 'the whole file', {
      what: `the file holds ${describeValue(value)}, not a dict of tensors.`,
      found: describeValue(value),
    });
  }
  const { entries } = value;
  if (entries.size > MAX_TENSORS) {
    const what = `the file holds ${entries.size} tensors, where at most ${MAX_TENSORS} are read.`;
    const fix = 'Check that this is the file you mean; 13B has 283 tensors.';
    const numbers = { expected: MAX_TENSORS, found: entries.size };
    throw new BaichuanError('torch-count', { file, where: 'data.pkl', what, fix, ...numbers });
  }
  const tensors = new Map<string, TorchTensor>();
  for (const [key, item] of entries) {
    if (!isTensor(item)) throw otherValueError(file, value, key, item);
    const name = expectName(key, file);
    expectExtent(item, name, file);
    tensors.set(name, item);
  }
  return tensors;
}

/** The storages of tensors by key: a key means the same storage everywhere.
 *  @throws torch-storage */
export function storagesOf(
  tensors: ReadonlyMap<string, TorchTensor>,
  file: string,
): Map<string, TorchStorage> {
  const storages = new Map<string, TorchStorage>();
  for (const [name, { storage }] of tensors) {
    const { key, dtype, elements } = storage;
    const other = storages.get(key) ?? storage;
    if (!/^[0-9A-Za-z_]{1,64}$/.test(key)) {
      const what = `its storage has the key ${quote(key)}, which is no name of an entry.`;
      throw tensorError('torch-storage', file, name, { what, found: quote(key) });
    }
    if (other.dtype !== dtype || other.elements !== elements) {
      const [first, second] = [other, storage].map((each) => `${each.elements} ${each.dtype}`);
      const what = `its storage ${key} has ${second} here, but ${first} elsewhere.`;
      throw tensorError('torch-storage', file, name, { what, expected: first, found: second });
    }
    storages.set(key, storage);
  }
  return storages;
}

function isDict(value: PickleValue): value is PickleDict {
  return typeof value === 'object' && value?.kind === 'dict';
}

function isTensor(value: PickleValue): value is TorchTensor {
  return typeof value === 'object' && value?.kind === 'tensor';
}

/** The error for a dict that holds other things than tensors: most are training checkpoints, with
 *  the state dict under some name. */
function otherValueError(file: string, { entries }: PickleDict, key: PickleKey, item: PickleValue) {
  const inner = [...entries].find(([, value]) => isDict(value) && hasTensor(value))?.[0];
  const found = describeValue(item);
  if (inner !== undefined) {
    const name = quote(String(inner));
    const what = `this is a training checkpoint: the weights are in its entry ${name}.`;
    const weights = `torch.load(FILE)[${name}]`;
    const fix = `Save the weights alone: torch.save(${weights}, "pytorch_model.bin").`;
    const isShort = String(inner).length <= SHOWN_NAME;
    const remedy = isShort ? { fix } : {};
    return stateDictError(file, `entry ${name}`, { what, found: 'a dict of tensors', ...remedy });
  }
  const where = `entry ${quote(String(key))}`;
  return stateDictError(file, where, { what: `it holds ${found}, where a tensor belongs.`, found });
}

function hasTensor({ entries }: PickleDict): boolean {
  return [...entries.values()].some(isTensor);
}

function stateDictError(
  file: string,
  where: string,
  fault: { what: string; fix?: string; found: string },
): BaichuanError {
  const fix = `Save only the weights: ${SAVE}.`;
  return new BaichuanError('torch-state-dict', {
    file,
    where,
    fix,
    expected: 'a dict of tensors',
    ...fault,
  });
}

function expectName(key: PickleKey, file: string): string {
  const fault = keyFault(key);
  if (fault === undefined) return String(key);
  throw new BaichuanError('torch-key', {
    file,
    where: `key ${quote(String(key))}`,
    what: `the name of a tensor ${fault}.`,
    fix: 'Write the file anew with the names of the published checkpoints.',
    found: quote(String(key)),
  });
}

function keyFault(key: PickleKey): string | undefined {
  if (typeof key !== 'string') return `is ${describeValue(key)}, not a text`;
  if (key === '__proto__') return 'is __proto__, which is no name';
  return tensorNameFault(key);
}

interface Fault {
  what: string;
  expected?: string | number;
  found?: string | number;
}

function tensorError(code: ErrorCode, file: string, name: string, fault: Fault): BaichuanError {
  const fix = `Write the file anew: ${SAVE}, with tensors made contiguous.`;
  return new BaichuanError(code, { file, where: `tensor ${quote(name)}`, fix, ...fault });
}

/** Refuses a tensor that is not inside its storage, or meets itself: a stride of 0 makes any number
 *  of elements out of one.
 *
 *    last element = offset + Σ (lengthₖ − 1) · strideₖ < elements of the storage */
function expectExtent(tensor: TorchTensor, name: string, file: string): void {
  const { storage, offset, shape, strides } = tensor;
  const fail = (what: string, numbers: Omit<Fault, 'what'> = {}) => {
    throw tensorError('torch-extent', file, name, { what, ...numbers });
  };
  const wrong = shape.find((length) => length < 0 || length > MAX_DIM);
  if (wrong !== undefined) {
    fail(`an axis has the length ${wrong}.`, { expected: `0 … ${MAX_DIM}`, found: wrong });
  }
  const step = strides.find((stride) => stride < 0);
  if (step !== undefined) fail(`an axis has the stride ${step}.`, { found: step });
  if (offset < 0) fail(`it begins at the element ${offset} of its storage.`, { found: offset });
  // A tensor without elements is nowhere: PyTorch cuts such ones at any offset.
  if (shape.includes(0)) return;
  const meeting = overlappingStride(tensor);
  if (meeting !== undefined) {
    fail(`with the stride ${meeting} its elements overlap.`, { found: meeting });
  }
  // Doubles suffice: a sum beyond 2^53, which is rounded, is beyond any storage.
  const last = shape.reduce((sum, length, axis) => sum + (length - 1) * strides[axis], offset);
  const end = last + 1;
  if (end <= storage.elements) return;
  const what = `it ends at the element ${end} of its storage, which has ${storage.elements}.`;
  fail(what, { expected: storage.elements, found: end });
}

/** The stride of an axis whose steps do not lead past all that smaller strides reach. */
function overlappingStride({ shape, strides }: TorchTensor): number | undefined {
  const axes = shape.map((length, axis) => ({ length, stride: strides[axis] }));
  const longer = axes.filter(({ length }) => length > 1).sort((a, b) => a.stride - b.stride);
  let reach = 0;
  for (const { length, stride } of longer) {
    if (stride <= reach) return stride;
    reach += (length - 1) * stride;
  }
  return undefined;
}
