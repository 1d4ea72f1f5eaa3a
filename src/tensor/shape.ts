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
  { shape }: Pick<Tensor, 'shape'>,
  axes: Axes,
): { readonly [Axis in keyof Axes]: number } {
  // Every layer calls this for every token: one loop, one object.
  const lengths = { ...axes } as { [Axis in keyof Axes]: number };
  let rank = 0;
  for (const axis in axes) {
    const length = shape[rank++];
    if (axes[axis] !== 'any' && axes[axis] !== length) throw otherShape(name, shape, axes);
    lengths[axis] = length;
  }
  if (rank !== shape.length) throw otherShape(name, shape, axes);
  return lengths;
}

function otherShape(name: string, shape: readonly number[], axes: ExpectedAxes): BaichuanError {
  const wanted = Object.entries(axes).map(([axis, length]) =>
    length === 'any' ? axis : `${axis}=${length}`,
  );
  return new BaichuanError('shape-mismatch', {
    where: name,
    what: `Expected shape [${wanted.join(', ')}], found [${shape.join(', ')}].`,
    fix: 'Pass a tensor of the expected shape.',
    expected: `[${wanted.join(', ')}]`,
    found: `[${shape.join(', ')}]`,
  });
}

/** Checks a single length. @param name what it counts, for the error @throws shape-mismatch */
export function expectLength(name: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new BaichuanError('shape-mismatch', {
    where: name,
    what: `Expected ${expected}, found ${found}.`,
    fix: 'Use weights and a configuration that belong together.',
    expected,
    found,
  });
}
