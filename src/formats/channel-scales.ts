/** The layout of Baichuan-13B-Chat-int8: `X.weight` is an int8 matrix stored transposed,
 *  `[in, out]`, and `X.scale` has a float32 for each output row:
 *
 *    w[o, i] = X.weight[i, o] · X.scale[o]
 *
 *  The file holds the rows of the weight one after the other, and the matrix as a turned view of
 *  them. Turned back it has the shape that the model demands, and is read without a copy.
 *  Source: the pickle of that checkpoint, and README.md of the published model on `quantize(8)`. */
import { BaichuanError, quote } from '../errors.ts';
import type { Checkpoint, StoredTensor } from './checkpoint.ts';
import { transposedTensor } from './strided-tensor.ts';

const WEIGHT = /\.weight$/;

/** Joins int8 weights with their scales. A checkpoint in which no weight has one is given back as
 *  it is; where one has, all need theirs.
 *  @returns weights `[out, in]` of type I8 with `channelScales` `[out]`, and the other tensors but
 *  the scales @throws torch-int8 */
export function withChannelScales(checkpoint: Checkpoint): Checkpoint {
  const { tensors } = checkpoint;
  const scales = new Map<StoredTensor, StoredTensor>();
  let lone: StoredTensor | undefined;
  for (const tensor of tensors.values()) {
    if (tensor.dtype !== 'I8' || !WEIGHT.test(tensor.name)) continue;
    const scale = tensors.get(scaleName(tensor.name));
    if (scale === undefined) {
      lone ??= tensor;
      continue;
    }
    expectPair(tensor, scale);
    scales.set(tensor, scale);
  }
  if (scales.size === 0) return checkpoint;
  if (lone !== undefined) throw missingScale(lone);
  const used = new Set(scales.values());
  const joined = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) {
    const channelScales = scales.get(tensor);
    if (used.has(tensor)) continue;
    const isPair = channelScales !== undefined;
    joined.set(name, isPair ? { ...transposedTensor(tensor), channelScales } : tensor);
  }
  return { ...checkpoint, tensors: joined };
}

function scaleName(weight: string): string {
  return weight.replace(WEIGHT, '.scale');
}

/** Other weights have scales, so the file is of this layout and lacks a part. */
function missingScale({ name, file }: StoredTensor): BaichuanError {
  return new BaichuanError('torch-int8', {
    file,
    where: `tensor ${quote(name)}`,
    what: `${quote(scaleName(name))} is missing, though other int8 weights have their scale.`,
    fix: 'Download the files of Baichuan-13B-Chat-int8 again, or save every scale with its weight.',
    expected: scaleName(name),
    found: 'nothing',
  });
}

/** The scales are one for each column of the stored matrix. A square matrix does not show which way
 *  it is stored, but the others of its file do. */
function expectPair(weight: StoredTensor, scale: StoredTensor): void {
  const [, columns] = weight.shape;
  const isMatrix = weight.shape.length === 2;
  if (isMatrix && scale.dtype === 'F32' && scale.shape.length === 1 && scale.shape[0] === columns) {
    return;
  }
  const [matrix, vector] = [weight, scale].map(
    ({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`,
  );
  throw new BaichuanError('torch-int8', {
    file: weight.file,
    where: `tensor ${quote(weight.name)}`,
    what: `the weight is ${matrix}, its scale ${vector}; read are I8 [in, out] and F32 [out].`,
    fix: 'Use the files of Baichuan-13B-Chat-int8, or weights that are not quantized.',
    expected: 'I8 [in, out] and F32 [out]',
    found: `${matrix} and ${vector}`,
  });
}
