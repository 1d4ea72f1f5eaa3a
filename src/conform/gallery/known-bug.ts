/** A bug that a Baichuan backend has or had, as a small change to what the reference computes with.
 *  A change wraps kernels, equations of attention or weights and touches nothing else; it is made
 *  afresh for every run of a stage. */

import type { Kernels, LinearWeight } from '../../kernels/kernels.ts';
import { type TraceKind, tracePlace } from '../../model/trace-points.ts';
import { float32, type Tensor } from '../../tensor/tensor.ts';
import type { AttentionParts, ReferenceSetup } from '../stage.ts';

export interface KnownBug {
  /** Stable, for programs. */
  readonly name: string;
  /** What is wrong and what to look at, one sentence. */
  readonly summary: string;
  /** The family that can have it; both by default. */
  readonly position?: 'alibi' | 'rope';
  change(setup: ReferenceSetup): ReferenceSetup;
}

/** The setup with other equations of attention. */
export function withAttention(
  setup: ReferenceSetup,
  change: (parts: AttentionParts) => Partial<AttentionParts>,
): ReferenceSetup {
  return { ...setup, attention: { ...setup.attention, ...change(setup.attention) } };
}

/** The setup with other kernels. */
export function withKernels(
  setup: ReferenceSetup,
  change: (kernels: Kernels) => Partial<Kernels>,
): ReferenceSetup {
  return { ...setup, kernels: { ...setup.kernels, ...change(setup.kernels) } };
}

/** The setup with linear layers of some kinds computed otherwise.
 *  @param kinds the points of their outputs */
export function withLinear(
  setup: ReferenceSetup,
  kinds: readonly TraceKind[],
  compute: (x: Tensor, weight: LinearWeight, kernels: Kernels) => Tensor,
): ReferenceSetup {
  return withKernels(setup, (kernels) => ({
    linear: (x, weight) =>
      kinds.includes(linearKind(weight)) ? compute(x, weight, kernels) : kernels.linear(x, weight),
  }));
}

/** The point of a linear layer's output. */
export function linearKind({ path }: LinearWeight): TraceKind {
  return tracePlace(`${path}.output`)?.kind ?? 'lmHead';
}

/** A copy of a tensor, changed element by element. */
export function mapTensor(x: Tensor, change: (value: number, index: number) => number): Tensor {
  const values = float32(x).map(change);
  return { dtype: 'F32', shape: x.shape, memory: { buffer: values.buffer }, byteOffset: 0 };
}

/** A copy of a tensor whose element `i` is that at `source(i)`. */
export function permuteTensor(x: Tensor, source: (index: number) => number): Tensor {
  const values = float32(x);
  return mapTensor(x, (_, index) => values[source(index)]);
}
