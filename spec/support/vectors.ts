/** The conformance vectors of `fixtures/conformance/`, read as its README says. */

import { readdirSync, readFileSync } from 'node:fs';
import { readSafetensors } from './safetensors-oracle.ts';

const ROOT = new URL('../../fixtures/conformance/', import.meta.url);

export interface VectorTensor {
  readonly dtype: 'F32' | 'I64' | 'I8';
  readonly shape: readonly number[];
  readonly data?: readonly (number | null)[];
  readonly lcg?: { readonly seed: number; readonly scale: number };
  readonly file?: string;
  readonly tensor?: string;
}

export interface ExpectedTensor extends VectorTensor {
  readonly data: readonly (number | null)[];
  readonly tolerance: number;
}

export interface VectorMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly ids: readonly number[];
}

export interface VectorCase {
  readonly name: string;
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly inputs: Readonly<Record<string, VectorTensor | readonly VectorMessage[] | string>>;
  readonly outputs: Readonly<Record<string, ExpectedTensor>>;
}

export interface VectorFile {
  readonly operation: string;
  readonly cases: readonly VectorCase[];
}

/** A file of the folder. */
export function vectorUrl(name: string): URL {
  return new URL(name, ROOT);
}

/** Every file of vectors, parsed. */
export function readVectors(): { name: string; value: VectorFile }[] {
  const names = readdirSync(ROOT).filter((name) => name.endsWith('.json'));
  return names
    .filter((name) => !['schema.json', 'manifest.json'].includes(name))
    .map((name) => ({ name, value: JSON.parse(readFileSync(vectorUrl(name), 'utf8')) }));
}

/** An input tensor of a case. */
export function inputTensor({ inputs }: VectorCase, name: string): VectorTensor {
  return inputs[name] as VectorTensor;
}

/** The numbers of a tensor. */
export function numbersOf({ shape, data, lcg, file, tensor }: VectorTensor): Float32Array {
  if (data !== undefined) return Float32Array.from(data, (x) => x ?? Number.NEGATIVE_INFINITY);
  if (file !== undefined) {
    const stored = readSafetensors(vectorUrl(file)).get(tensor ?? '');
    return Float32Array.from(stored?.values ?? []);
  }
  const { seed = 0, scale = 0 } = lcg ?? {};
  let x = seed;
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    x = (Math.imul(1664525, x) + 1013904223) >>> 0;
    return (((x >>> 8) - 2 ** 23) * scale) / 2 ** 24;
  });
}

/** What is wrong with an output; undefined when it is within the tolerance. */
export function faultOf(expected: ExpectedTensor, found: ArrayLike<number>): string | undefined {
  const wanted = numbersOf(expected);
  if (wanted.length !== found.length) return `${found.length} numbers, not ${wanted.length}`;
  const largest = wanted.reduce(
    (most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most),
    0,
  );
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === found[i]) continue;
    const difference = Math.abs(wanted[i] - found[i]);
    if (difference <= expected.tolerance * largest) continue;
    return `number ${i}: expected ${wanted[i]}, found ${found[i]}`;
  }
  return undefined;
}
