/** Quantized weights in safetensors, as this project writes them: plain values and scales, in the
 *  order of the weight `[out, in]`, so that any program can read them.
 *
 *    type           X.weight                  X.weight_scale          weight[o, i] =
 *    int8           I8 [out, in]              F16 [out, ⌈in / 32⌉]    q[o, i] · scale[o, ⌊i / 32⌋]
 *    int4           U8 [out, in / 2]          F16 [out, ⌈in / 32⌉]    the same
 *    int8-channel   I8 [out, in]              F32 [out]               q[o, i] · scale[o]
 *    int4-channel   U8 [out, in / 2]          F32 [out]               the same
 *
 *  With four bits, byte j of a row holds q + 8 of weight 2j in its low half and of weight 2j + 1 in
 *  its high half: `q = stack((b & 15, b >> 4), -1).flatten(-2) - 8`. `config.json` says the type in
 *  `quantization_config`; here the types of the two tensors decide. What is not quantized (norms;
 *  by channel also the embedding and the head) is stored as floats, as usual.
 *
 *  Groups are given to the engine as blocks of Q8_0 and Q4_0, which hold the same numbers. */
import { BaichuanError, quote } from '../errors.ts';
import { GROUP_SIZE } from '../tensor/quantized.ts';
import { joinBlocks, unpackPairs } from '../tensor/quantized-layout.ts';
import type { Checkpoint, StoredTensor } from './checkpoint.ts';
import type { RowSource } from './gguf/rows.ts';
import { rowsOfTensor, rowTensor } from './row-tensor.ts';

const WEIGHT = /\.weight$/;

/** The name of the scales of a weight. */
export function scaleName(weight: string): string {
  return weight.replace(WEIGHT, '.weight_scale');
}

/** Joins quantized weights with their scales. A checkpoint in which no weight has any is given back
 *  as it is; where one has, all need theirs.
 *  @returns weights `[out, in]` of type Q8_0 or Q4_0, or of type I8 or I4 with `channelScales`, and
 *  the other tensors but the scales @throws safetensors-scales */
export function withWeightScales(checkpoint: Checkpoint): Checkpoint {
  const { tensors } = checkpoint;
  const joined = new Map<string, StoredTensor>();
  const used = new Set<string>();
  let lone: StoredTensor | undefined;
  for (const [name, weight] of tensors) {
    if ((weight.dtype !== 'I8' && weight.dtype !== 'U8') || !WEIGHT.test(name)) continue;
    const scale = tensors.get(scaleName(name));
    if (scale === undefined) {
      lone ??= weight;
      continue;
    }
    joined.set(name, joinedTensor(weight, scale));
    used.add(scale.name);
  }
  if (joined.size === 0) return checkpoint;
  if (lone !== undefined) throw missingScale(lone);
  const kept = [...tensors].filter(([name]) => !used.has(name));
  return {
    ...checkpoint,
    tensors: new Map(kept.map(([name, t]) => [name, joined.get(name) ?? t])),
  };
}

function joinedTensor(weight: StoredTensor, scale: StoredTensor): StoredTensor {
  const isByte = weight.dtype === 'I8';
  const [out, width = 0] = weight.shape;
  const columns = isByte ? width : 2 * width;
  const groups = Math.ceil(columns / GROUP_SIZE);
  const isMatrix = weight.shape.length === 2 && columns > 0;
  const isGrouped = scale.dtype === 'F16' && sameShape(scale.shape, [out, groups]);
  const isChannel = scale.dtype === 'F32' && sameShape(scale.shape, [out]);
  if (!isMatrix || (!isGrouped && !isChannel)) throw scaleError(weight, scale);
  const { name, file } = weight;
  const described = { name, file, shape: [out, columns] };
  const values = rowsOfTensor(weight);
  if (isGrouped) {
    const dtype = isByte ? 'Q8_0' : 'Q4_0';
    return rowTensor({ ...described, dtype }, blockRows(dtype, values, scale, columns));
  }
  if (isByte) return { ...weight, channelScales: scale };
  const unpacked: RowSource = {
    rowCount: out,
    rowBytes: columns,
    read: async (begin, end) => unpackPairs(await values.read(begin, end)),
  };
  return rowTensor({ ...described, dtype: 'I4', channelScales: scale }, unpacked);
}

function blockRows(
  dtype: 'Q8_0' | 'Q4_0',
  values: RowSource,
  scale: StoredTensor,
  columns: number,
): RowSource {
  const scales = rowsOfTensor(scale);
  const groups = Math.ceil(columns / GROUP_SIZE);
  return {
    rowCount: values.rowCount,
    rowBytes: groups * (dtype === 'Q8_0' ? 34 : 18),
    async read(begin, end) {
      const [bytes, halves] = [await values.read(begin, end), await scales.read(begin, end)];
      return joinBlocks(dtype, bytes, halves, columns);
    },
  };
}

function sameShape(shape: readonly number[], expected: readonly number[]): boolean {
  return shape.length === expected.length && shape.every((length, i) => length === expected[i]);
}

function scaleError(weight: StoredTensor, scale: StoredTensor): BaichuanError {
  const [matrix, scales] = [weight, scale].map(
    ({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`,
  );
  const expected = 'F16 [out, ⌈in / 32⌉] or F32 [out]';
  return new BaichuanError('safetensors-scales', {
    file: scale.file,
    where: `tensor ${quote(scale.name)}`,
    what: `the weight is ${matrix}, so its scales are ${expected}, but they are ${scales}.`,
    fix: 'Convert the model anew; other quantized layouts are not read.',
    expected,
    found: scales,
  });
}

/** Other weights have scales, so the files are of this layout and lack a part. */
function missingScale({ name, dtype, file }: StoredTensor): BaichuanError {
  return new BaichuanError('safetensors-scales', {
    file,
    where: `tensor ${quote(name)}`,
    what: `${quote(scaleName(name))} is missing, though other ${dtype} weights have their scales.`,
    fix: 'Convert the model anew, or save the scales of every quantized weight.',
    expected: scaleName(name),
    found: 'nothing',
  });
}
