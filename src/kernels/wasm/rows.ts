/** Operations on rows: looking up, normalizing, adding, cutting, turning, gating. */

import { expectShape } from '../../tensor/shape.ts';
import { elementCount } from '../../tensor/tensor.ts';
import type { Kernels } from '../kernels.ts';
import type { Bank } from './bank.ts';
import type { BankSet } from './index.ts';
import type { BankTable } from './parameters.ts';
import type { KernelName } from './ranged-kernels.ts';

type LookUps = Pick<Kernels, 'embedding' | 'gatherRows'>;
type Elementwise = Pick<Kernels, 'add' | 'siluMul'>;
type ByToken = Pick<Kernels, 'rmsNorm' | 'columns' | 'rotateHalves'>;

const GATHER: Readonly<Record<string, KernelName>> = {
  f32: 'gatherF32',
  bf16: 'gatherBf16',
  f16: 'gatherF16',
  int8: 'gatherInt8',
};

/** The operations on rows. */
export function createRowOperations(set: BankSet): LookUps & Elementwise & ByToken {
  return { ...createLookUps(set), ...createByToken(set), ...createElementwise(set) };
}

function createLookUps({ runner, bankOf, into }: BankSet): LookUps {
  const gather = (
    bank: Bank,
    kernel: KernelName,
    table: number,
    ids: readonly number[],
    C: number,
  ) => {
    const y = bank.arena.allocate([ids.length, C]);
    const mark = bank.arena.mark();
    const idsPtr = bank.arena.allocate([ids.length]).byteOffset;
    new Uint32Array(bank.memory.buffer, idsPtr, ids.length).set(ids);
    const range = { units: ids.length, work: ids.length * C };
    runner.run(bank, kernel, [y.byteOffset, table, idsPtr, C], range);
    bank.arena.release(mark);
    return y;
  };
  return {
    embedding(tokenIds, embeddingTable) {
      const { bank, pointer, columns, format } = embeddingTable as BankTable;
      return gather(bank, GATHER[format], pointer, tokenIds, columns);
    },

    gatherRows(x, rows) {
      const { C } = expectShape('x', x, { R: 'any', C: 'any' });
      const bank = bankOf(x);
      return gather(bank, 'gatherF32', into(bank, x).byteOffset, rows, C);
    },
  };
}

function createByToken({ runner, bankOf, into }: BankSet): ByToken {
  return {
    rmsNorm(x, weight, eps) {
      const { T, C } = expectShape('x', x, { T: 'any', C: 'any' });
      const bank = bankOf(weight);
      const [xPtr, weightPtr] = [x, weight].map((tensor) => into(bank, tensor).byteOffset);
      const y = bank.arena.allocate([T, C]);
      const args = [y.byteOffset, xPtr, weightPtr, eps, C];
      runner.run(bank, 'rmsNorm', args, { units: T, work: 4 * T * C });
      return y;
    },

    columns(x, start, count) {
      const { T, C } = expectShape('x', x, { T: 'any', C: 'any' });
      const bank = bankOf(x);
      const xPtr = into(bank, x).byteOffset;
      const y = bank.arena.allocate([T, count]);
      const args = [y.byteOffset, xPtr, start, count, C];
      runner.run(bank, 'columns', args, { units: T, work: T * count });
      return y;
    },

    rotateHalves(x, cos, sin) {
      const { T, H, D } = expectShape('x', x, { T: 'any', H: 'any', D: 'any' });
      const bank = bankOf(x);
      const inputs = [x, cos, sin].map((tensor) => into(bank, tensor).byteOffset);
      const y = bank.arena.allocate([T, H, D]);
      const range = { units: T, work: 2 * T * H * D };
      runner.run(bank, 'rotateHalves', [y.byteOffset, ...inputs, H, D], range);
      return y;
    },
  };
}

function createElementwise({ runner, bankOf, into, filling }: BankSet): Elementwise {
  return {
    add(x, y, target) {
      const bank = bankOf(target);
      const [xPtr, yPtr] = [x, y].map((tensor) => into(bank, tensor).byteOffset);
      const count = elementCount(target.shape);
      filling(bank, target, ({ byteOffset }) => {
        runner.run(bank, 'add', [byteOffset, xPtr, yPtr], { units: count, align: 4, work: count });
      });
    },

    siluMul(gate, up, activated) {
      const bank = bankOf(gate);
      const [gatePtr, upPtr] = [gate, up].map((tensor) => into(bank, tensor).byteOffset);
      const y = bank.arena.allocate(gate.shape);
      const units = elementCount(gate.shape);
      const run = (activatedPtr: number) => {
        const args = [y.byteOffset, gatePtr, upPtr, activatedPtr];
        runner.run(bank, 'siluMul', args, { units, align: 4, work: 16 * units });
      };
      if (activated === null) run(0);
      else filling(bank, activated, ({ byteOffset }) => run(byteOffset));
      return y;
    },
  };
}
