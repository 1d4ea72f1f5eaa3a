/** The pickle of a state dict, protocol 2, with the few opcodes that it takes:
 *
 *      OrderedDict({name: _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())})
 *      storage: the persistent id ('storage', torch.FloatStorage, '0', 'cpu', elements)
 *
 *  Source: CPython, Lib/pickletools.py; PyTorch, torch/serialization.py, `_save`. */

import { BaichuanError } from '../../errors.ts';
import type { ElementType } from '../checkpoint.ts';
import type { TensorDescription } from '../safetensors-writer.ts';

const OP = {
  proto: 0x80,
  stop: 0x2e,
  global: 0x63,
  emptyTuple: 0x29,
  mark: 0x28,
  tuple: 0x74,
  reduce: 0x52,
  persistentId: 0x51,
  setItems: 0x75,
  text: 0x58,
  byte: 0x4b,
  int32: 0x4a,
  long: 0x8a,
  newFalse: 0x89,
} as const;

const STORAGES: Readonly<Partial<Record<ElementType, string>>> = {
  F64: 'DoubleStorage',
  F32: 'FloatStorage',
  F16: 'HalfStorage',
  BF16: 'BFloat16Storage',
  I64: 'LongStorage',
  I32: 'IntStorage',
  I8: 'CharStorage',
  U8: 'ByteStorage',
};

/** The bytes of the pickle; tensor n has the storage `n`.
 *  @throws model-dtype for types that PyTorch has no storage of */
export function stateDictPickle(tensors: readonly TensorDescription[]): Uint8Array {
  const out = pickler();
  out.put(OP.proto, 2);
  out.orderedDict();
  out.put(OP.mark);
  for (const [key, tensor] of tensors.entries()) {
    out.text(tensor.name);
    out.global('torch._utils', '_rebuild_tensor_v2');
    out.put(OP.mark);
    writeStorage(out, tensor, key);
    out.whole(0);
    out.sizes(tensor.shape);
    out.sizes(stridesOf(tensor.shape));
    out.put(OP.newFalse);
    out.orderedDict();
    out.put(OP.tuple, OP.reduce);
  }
  out.put(OP.setItems, OP.stop);
  return Uint8Array.from(out.bytes);
}

type Pickler = ReturnType<typeof pickler>;

/** Opcodes and their arguments, one after the other. */
function pickler() {
  const bytes: number[] = [];
  const put = (...values: readonly number[]) => bytes.push(...values);
  const global = (module: string, name: string) =>
    put(OP.global, ...new TextEncoder().encode(`${module}\n${name}\n`));
  const whole = (value: number) => {
    if (value < 256) put(OP.byte, value);
    else if (value < 2 ** 31) put(OP.int32, ...littleEndian(value, 4));
    else put(OP.long, 8, ...littleEndian(value, 8));
  };
  return {
    ...{ bytes, put, global, whole },
    text(value: string) {
      const encoded = new TextEncoder().encode(value);
      put(OP.text, ...littleEndian(encoded.length, 4), ...encoded);
    },
    sizes(values: readonly number[]) {
      put(OP.mark);
      for (const value of values) whole(value);
      put(OP.tuple);
    },
    orderedDict() {
      global('collections', 'OrderedDict');
      put(OP.emptyTuple, OP.reduce);
    },
  };
}

function writeStorage(out: Pickler, { dtype, shape, name }: TensorDescription, key: number): void {
  out.put(OP.mark);
  out.text('storage');
  out.global('torch', storageOf(dtype, name));
  out.text(String(key));
  out.text('cpu');
  out.whole(shape.reduce((product, size) => product * size, 1));
  out.put(OP.tuple, OP.persistentId);
}

/** Elements from one index of an axis to the next, the last axis contiguous. */
function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
}

function storageOf(dtype: ElementType, name: string): string {
  const storage = STORAGES[dtype];
  if (storage !== undefined) return storage;
  throw new BaichuanError('model-dtype', {
    where: name,
    what: `PyTorch has no storage of ${dtype}.`,
    fix: 'Write the tensor as F32, F16 or BF16.',
  });
}

function littleEndian(value: number, count: number): number[] {
  let rest = value;
  return Array.from({ length: count }, () => {
    const byte = rest % 256;
    rest = (rest - byte) / 256;
    return byte;
  });
}
