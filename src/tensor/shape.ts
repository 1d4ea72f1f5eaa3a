/** Shapes that are executed: a layer states the axes it expects by name, and gets their lengths. */

import { BaichuanError } from '../errors.ts';
import type { Tensor } from './tensor.ts';

/** Axis name → its length, or `'any'` for one that the tensor decides. In the order of the axes. */
export type ExpectedAxes = Readonly<Record<string, number | 'any'>>;

/** Checks a tensor's shape, axis by axis, and returns the lengths by name.
 *  @param name what the tensor is called in the error @param tensor the tensor
 *  @param axes `{ T: 'any', C: 5120 }` for `[T, 5120]`
 *  @returns the length of every axis @throws shape-mismatch */
export function expectShape<Axes extends ExpectedAxes>(
  name: string,
  tensor: Tensor,
  axes: Axes,
): { readonly [Axis in keyof Axes]: number } {
  const expected = Object.entries(axes);
  const fits = ([, length]: [string, number | 'any'], axis: number) =>
    length === 'any' || length === tensor.shape[axis];
  if (expected.length !== tensor.shape.length || !expected.every(fits)) {
    const wanted = expected.map(([axis, length]) =>
      length === 'any' ? axis : `${axis}=${length}`,
    );
    throw new BaichuanError('shape-mismatch', {
      where: name,
      what: `Expected shape [${wanted.join(', ')}], found [${tensor.shape.join(', ')}].`,
      fix: 'Pass a tensor of the expected shape.',
      expected: `[${wanted.join(', ')}]`,
      found: `[${tensor.shape.join(', ')}]`,
    });
  }
  const lengths = expected.map(([axis], index) => [axis, tensor.shape[index]]);
  return Object.fromEntries(lengths);
}
