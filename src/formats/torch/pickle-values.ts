/** What a restricted pickle can hold: plain data, and descriptions of storages and tensors. None of
 *  it is a live object: dictionaries are Maps, names that the file asks Python to import are just
 *  names. */
import type { ElementType } from '../checkpoint.ts';

export type PickleKey = string | number | bigint | boolean | null;

export type PickleValue =
  | PickleKey
  | PickleTuple
  | PickleList
  | PickleDict
  | PickleGlobal
  | TorchStorage
  | TorchTensor;

export interface PickleTuple {
  readonly kind: 'tuple';
  readonly items: readonly PickleValue[];
}

export interface PickleList {
  readonly kind: 'list';
  readonly items: PickleValue[];
}

export interface PickleDict {
  readonly kind: 'dict';
  /** Whether it is a `collections.OrderedDict`. */
  readonly isOrdered: boolean;
  readonly entries: Map<PickleKey, PickleValue>;
}

/** A name of the allow-list. */
export interface PickleGlobal {
  readonly kind: 'global';
  /** `module.attribute` */
  readonly name: string;
}

/** The bytes of one or several tensors, in an entry of the archive. */
export interface TorchStorage {
  readonly kind: 'storage';
  readonly dtype: ElementType;
  /** Its entry is `ROOT/data/KEY`. */
  readonly key: string;
  readonly elements: number;
}

/** A tensor: a view of a storage, offset and strides in elements. */
export interface TorchTensor {
  readonly kind: 'tensor';
  readonly storage: TorchStorage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** A value in words, for messages. */
export function describeValue(value: PickleValue): string {
  if (value === null) return 'None';
  if (typeof value === 'bigint') return 'an integer of more than 53 bits';
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return `the number ${value}`;
  if (value.kind === 'global') return `the name ${value.name}`;
  return {
    tuple: 'a tuple',
    list: 'a list',
    dict: 'a dict',
    storage: 'a storage',
    tensor: 'a tensor',
  }[value.kind];
}
