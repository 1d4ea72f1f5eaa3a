/** Distances between floating-point numbers counted in numbers, and the tables of
 *  `fixtures/math/`, whose values mpmath rounded once. */
import { readFileSync } from 'node:fs';

const view = new DataView(new ArrayBuffer(8));

/** One row of a table: arguments, then the correctly rounded value. */
export type Point = readonly number[];

/** Reads `fixtures/math/<name>.json`, whose numbers are hexadecimal bits. */
export function loadPoints(name: string): Point[] {
  const file = new URL(`../../fixtures/math/${name}.json`, import.meta.url);
  const content = JSON.parse(readFileSync(file, 'utf8')) as { points: string[][] };
  return content.points.map((row) => row.map(fromBits));
}

/** How many float64 lie between a and b; 0 for the same number, infinite when one is NaN. */
export function distance64(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) {
    return Number.isNaN(a) && Number.isNaN(b) ? 0 : Number.POSITIVE_INFINITY;
  }
  return Math.abs(Number(ordinal64(a) - ordinal64(b)));
}

/** How many float32 lie between a and b; 0 for the same number, infinite when one is NaN. */
export function distance32(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) {
    return Number.isNaN(a) && Number.isNaN(b) ? 0 : Number.POSITIVE_INFINITY;
  }
  return Math.abs(ordinal32(a) - ordinal32(b));
}

/** The float32 that lies `steps` after x. */
export function after32(x: number, steps: number): number {
  const ordinal = ordinal32(x) + steps;
  view.setUint32(0, ordinal >= 0 ? ordinal : 0x80000000 - ordinal);
  return view.getFloat32(0);
}

/** The farthest distance of `compute` from a table, and how many of its points are not exact. */
export function measure(
  points: readonly Point[],
  distance: (a: number, b: number) => number,
  compute: (...values: number[]) => number,
): { farthest: number; inexact: number } {
  let farthest = 0;
  let inexact = 0;
  for (const point of points) {
    const found = distance(compute(...point.slice(0, -1)), point[point.length - 1] as number);
    farthest = Math.max(farthest, found);
    if (found > 0) inexact++;
  }
  return { farthest, inexact };
}

function fromBits(digits: string): number {
  view.setBigUint64(0, BigInt(`0x${digits}`));
  return digits.length === 16 ? view.getFloat64(0) : view.getFloat32(4);
}

/** Consecutive numbers have consecutive ordinals; both zeros have 0. */
function ordinal64(x: number): bigint {
  view.setFloat64(0, x);
  const bits = view.getBigInt64(0);
  return bits >= 0n ? bits : -(bits & 0x7fffffffffffffffn);
}

function ordinal32(x: number): number {
  view.setFloat32(0, x);
  const bits = view.getInt32(0);
  return bits >= 0 ? bits : -(bits & 0x7fffffff);
}
