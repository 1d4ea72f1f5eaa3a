/** The reference kernels with weights that are plain float32 tensors: whatever a known bug makes of
 *  a weight can be put in its place, and what a stage does not need takes no memory. */

import type { EmbeddingTable, Kernels, LinearWeight, ParameterRows } from '../kernels/kernels.ts';
import { createReferenceKernels } from '../kernels/reference/index.ts';
import { matmul } from '../kernels/reference/matmul.ts';
import { createTensor, float32, type Tensor, tensorOf } from '../tensor/tensor.ts';

/** A linear weight `[out, in]`; without numbers where a stage does not need it. */
export interface MatrixWeight extends LinearWeight {
  numbers: Tensor | undefined;
}

/** A table `[rows, columns]` likewise. */
export interface MatrixTable extends EmbeddingTable {
  numbers: Tensor | undefined;
}

/** A linear weight of a tensor. */
export function matrixWeight(path: string, numbers: Tensor): MatrixWeight {
  const [outFeatures, inFeatures] = numbers.shape;
  return { path, outFeatures, inFeatures, format: 'f32', numbers };
}

/** The numbers of a weight or of a table, where there are any. */
export function numbersOfWeight(weight: LinearWeight | EmbeddingTable): Tensor | undefined {
  return 'numbers' in weight ? (weight as MatrixWeight | MatrixTable).numbers : undefined;
}

/** Kernels whose parameters are written whole, as float32, and not copied. */
export function createOracleKernels(): Kernels {
  const kernels = createReferenceKernels();
  const [arena] = kernels.arenas;
  return {
    ...kernels,
    createLinear(path, [outFeatures, inFeatures], format) {
      const weight: MatrixWeight = { path, outFeatures, inFeatures, format, numbers: undefined };
      return { weight, write: writer(weight, [outFeatures, inFeatures]) };
    },
    createTable([rows, columns], format) {
      const weight: MatrixTable = { rows, columns, format, numbers: undefined };
      return { weight, write: writer(weight, [rows, columns]) };
    },
    createVector(length) {
      const weight = createTensor([length]);
      const write = (_row: number, rows: ParameterRows) => {
        float32(weight).set(floatsOf(rows));
        return 0;
      };
      return { weight, write };
    },
    linear(x, weight) {
      const { outFeatures, inFeatures } = weight;
      const [T] = x.shape;
      const y = arena.allocate([T, outFeatures]);
      const numbers = numbersOfWeight(weight);
      if (numbers === undefined) return y;
      const [yData, xData, weights] = [float32(y), float32(x), float32(numbers)];
      matmul(yData, xData, weights, T, outFeatures, inFeatures, 0, outFeatures);
      return y;
    },
  };
}

function writer(weight: MatrixWeight | MatrixTable, shape: readonly number[]) {
  return (_row: number, rows: ParameterRows) => {
    weight.numbers = tensorOf(floatsOf(rows), shape);
    return 0;
  };
}

function floatsOf({ bytes: { buffer, byteOffset, byteLength } }: ParameterRows): Float32Array {
  return new Float32Array(buffer, byteOffset, byteLength / Float32Array.BYTES_PER_ELEMENT);
}
