/** The WebAssembly kernel set: the compiled kernels of assembly/ over one or several banks.
 *
 *  Activations lie in the arena of the bank whose weights they meet. What comes from elsewhere, a
 *  tensor of the caller's or of another bank, is copied in first. */

import { BaichuanError } from '../../errors.ts';
import type { Arena } from '../../tensor/arena.ts';
import { float32, type Tensor } from '../../tensor/tensor.ts';
import type { Kernels, LinearWeight, Place } from '../kernels.ts';
import { Bank, type BankPlan } from './bank.ts';
import { createCacheOperations } from './cache.ts';
import type { CacheFormat } from './layout.ts';
import { createLinearOperation } from './linear.ts';
import {
  createBankTable,
  createBankVector,
  createPacked,
  type PackedWeight,
} from './parameters.ts';
import type { KernelRunner } from './pool.ts';
import { createRowOperations } from './rows.ts';

export interface WasmKernelOptions {
  readonly module: WebAssembly.Module;
  /** Whether the memories may be seen by other threads; the module must be of the same kind. */
  readonly shared: boolean;
  readonly banks: readonly BankPlan[];
  readonly runner: KernelRunner;
  /** What packs the weights while they are read, where not the runner. */
  readonly packer?: KernelRunner | undefined;
  /** How activations meet quantized weights: as float32, or in groups of int8. */
  readonly activations: 'exact' | 'fast';
  readonly cache: CacheFormat;
  readonly debug?: boolean | undefined;
}

/** Kernels, and the memories that workers of a pool must see. */
export interface WasmKernels extends Kernels {
  readonly memories: readonly WebAssembly.Memory[];
}

/** The banks of a kernel set, and how its operations find and fill them. */
export interface BankSet {
  readonly runner: KernelRunner;
  readonly banks: readonly Bank[];
  /** The bank of a part of the model. */
  bankAt(place: Place): Bank;
  /** The bank where a tensor lies; the first for tensors that lie in none. */
  bankOf(x: Tensor): Bank;
  /** The tensor itself, or a copy in the bank. */
  into(bank: Bank, x: Tensor): Tensor;
  /** Lets an action fill a target that may lie in no bank. */
  filling(bank: Bank, target: Tensor, action: (target: Tensor) => void): void;
}

/** Makes banks as planned, and the kernels over them. @throws out-of-memory */
export function createWasmKernels(options: WasmKernelOptions): WasmKernels {
  const set = createBankSet(options);
  const { bankAt, into, banks } = set;
  const { packer = set.runner } = options;
  const linear = createLinearOperation(set, options.activations);
  return {
    name: 'wasm',
    memories: banks.map(({ memory }) => memory),
    arenas: banks.map(({ arena }) => arena),
    arenaOf: (place) => bankAt(place).arena,
    moveTo: (arena, x) => into(bankWithArena(banks, arena), x),

    createLinear: (path, shape, format, place) =>
      createPacked(bankAt(place), packer, path, shape, format),
    createTable: (shape, format, place) => createBankTable(bankAt(place), packer, shape, format),
    createVector: (length, place) => createBankVector(bankAt(place), packer, length),

    linear: (x, weight: LinearWeight) => linear(x, weight as PackedWeight),
    ...createRowOperations(set),
    ...createCacheOperations(set, options.cache),
  };
}

function createBankSet(options: WasmKernelOptions): BankSet {
  const { runner } = options;
  const banks = options.banks.map((plan, index) => new Bank(index, plan, options));
  const places = new Map(banks.flatMap((bank) => bank.plan.places.map((place) => [place, bank])));
  const memories = new Map<unknown, Bank>(banks.map((bank) => [bank.memory, bank]));
  const into = (bank: Bank, x: Tensor) => {
    if (x.memory === bank.memory) return x;
    const copy = bank.arena.allocate(x.shape);
    float32(copy).set(float32(x));
    return copy;
  };
  return {
    runner,
    banks,
    bankAt(place) {
      const bank = places.get(place);
      if (bank === undefined) throw notPlanned(`part ${place} of the model`);
      return bank;
    },
    bankOf: ({ memory }) => memories.get(memory) ?? banks[0],
    into,
    filling(bank, target, action) {
      if (target.memory === bank.memory) return action(target);
      const filled = bank.arena.allocate(target.shape);
      action(filled);
      float32(target).set(float32(filled));
    },
  };
}

function bankWithArena(banks: readonly Bank[], arena: Arena): Bank {
  const bank = banks.find((candidate) => candidate.arena === arena);
  if (bank === undefined) throw notPlanned('this arena');
  return bank;
}

function notPlanned(what: string): BaichuanError {
  return new BaichuanError('internal-error', {
    what: `No bank was planned for ${what}.`,
    fix: 'Report this: the plan and the model do not belong together.',
  });
}
