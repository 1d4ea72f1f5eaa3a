/** PyTorch files made in memory: a state dict pickled as `torch.save` does, in a zip file. */
import type { Marked } from './fuzz/marked.ts';
import { utf8 } from './model-files.ts';
import { type Code, ORDERED_DICT, orderedDict, pickle } from './pickle-code.ts';
import { type ZipPart, type ZipStyle, zipFile } from './zip-file.ts';

/** Storage classes and bytes of an element, by the name of the type in safetensors. */
export const STORAGES: Record<string, readonly [name: string, itemBytes: number]> = {
  F64: ['DoubleStorage', 8],
  F32: ['FloatStorage', 4],
  F16: ['HalfStorage', 2],
  BF16: ['BFloat16Storage', 2],
  I64: ['LongStorage', 8],
  I32: ['IntStorage', 4],
  I16: ['ShortStorage', 2],
  I8: ['CharStorage', 1],
  U8: ['ByteStorage', 1],
  BOOL: ['BoolStorage', 1],
};

/** A view of a storage, as it is pickled; anything about it may be wrong. */
export interface View {
  readonly dtype: string;
  readonly key: Code;
  readonly elements: Code;
  readonly offset: Code;
  readonly shape: readonly Code[];
  readonly strides: readonly Code[];
  readonly location?: Code;
}

/** The pickled form of a tensor. */
export function tensorCode(view: View, hooks: Code = ORDERED_DICT): Code {
  const { dtype, key, elements, offset, shape, strides, location = 'cpu' } = view;
  const type: Code = { global: ['torch', STORAGES[dtype]?.[0] ?? dtype] };
  const storage: Code = { persistent: { tuple: ['storage', type, key, location, elements] } };
  const sizes = [{ tuple: shape }, { tuple: strides }];
  return {
    call: { global: ['torch._utils', '_rebuild_tensor_v2'] },
    with: [storage, offset, ...sizes, false, hooks],
  };
}

/** A parameter around a tensor. */
export function parameterCode(tensor: Code): Code {
  const call: Code = { global: ['torch._utils', '_rebuild_parameter'] };
  return { call, with: [tensor, true, ORDERED_DICT] };
}

/** A view of a whole storage, row-major. */
export function wholeView(dtype: string, key: string, shape: readonly number[]): View {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const elements = shape.reduce((a, b) => a * b, 1);
  return { dtype, key, elements, offset: 0, shape, strides };
}

export interface TorchParts {
  readonly state: Code;
  readonly storages?: Readonly<Record<string, Uint8Array>>;
  readonly byteOrder?: string | undefined;
  readonly version?: string | undefined;
  readonly extra?: readonly ZipPart[];
  readonly root?: string;
  readonly style?: ZipStyle;
}

/** Writes a file of a pickled value and storages. */
export function torchFile(
  parts: TorchParts,
): Marked & { readonly places: ReturnType<typeof zipFile>['places'] } {
  const { state, storages = {}, byteOrder, extra = [], root = 'archive', style } = parts;
  const { version = '3\n' } = parts;
  const entries: ZipPart[] = [{ name: `${root}/data.pkl`, data: pickle(state).bytes, padding: 7 }];
  if (byteOrder !== undefined) entries.push({ name: `${root}/byteorder`, data: utf8(byteOrder) });
  for (const [key, data] of Object.entries(storages)) {
    entries.push({ name: `${root}/data/${key}`, data, padding: 3 });
  }
  entries.push({ name: `${root}/version`, data: utf8(version) }, ...extra);
  return zipFile(entries, style);
}

/** A state dict of these entries. */
export function stateDict(tensors: Readonly<Record<string, Code>>): Code {
  return orderedDict(Object.entries(tensors));
}
