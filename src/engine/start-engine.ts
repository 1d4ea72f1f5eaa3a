/** From a plan to an engine: the reference kernels in this thread, the WebAssembly kernels in an
 *  engine worker. */

import type { BaichuanConfig } from '../config.ts';
import { BaichuanError } from '../errors.ts';
import { createReferenceKernels } from '../kernels/reference/index.ts';
import { type MachineMemory, machineMemory } from '../platform/machine.ts';
import type { Engine } from './engine.ts';
import {
  compileKernels,
  type EngineChoice,
  type EngineOptions,
  settleEngineOptions,
} from './engine-options.ts';
import { createLocalEngine } from './local-engine.ts';
import { gigabytes, type MemoryPlan, type PlanOptions, planMemory, whatFits } from './plan.ts';
import { startRemoteEngine } from './remote-engine.ts';

/** Models below this size run in one thread unless more are asked for. */
const SMALL_BYTES = 32 * 1024 * 1024;

export interface EngineRequest {
  readonly config: BaichuanConfig;
  /** What the caller limits sequences to. */
  readonly contextLength: number;
  /** Positions that memory is planned for. */
  readonly plannedLength: number;
  readonly storedAs: NonNullable<PlanOptions['storedAs']>;
  readonly options: EngineOptions;
  readonly onNotice: (notice: string) => void;
  /** What there is of memory, where not as the runtime tells. */
  readonly memory?: MachineMemory | undefined;
}

export interface StartedEngine {
  readonly engine: Engine;
  readonly choice: EngineChoice;
  readonly plan: MemoryPlan;
}

/** Plans a model, checks that it fits, and makes room for it.
 *  @throws out-of-memory, option-unsupported, worker-lost */
export async function startEngine(request: EngineRequest): Promise<StartedEngine> {
  const { config, contextLength, plannedLength, storedAs, options, onNotice } = request;
  const planOptions = { ...options, contextLength: plannedLength, storedAs };
  const plan = planMemory(config, planOptions);
  const memory = request.memory ?? (await machineMemory());
  if (memory !== undefined) expectRoom(request, plan, planOptions, memory);
  const kind = {
    small: plan.weightBytes < SMALL_BYTES,
    quantized: [...plan.formats.values()].some((format) => format.startsWith('int')),
  };
  const choice = await settleEngineOptions(options, kind, onNotice);
  const setup = { config, contextLength, formats: plan.formats };
  if (choice.kernels === 'reference') {
    const kernels = createReferenceKernels(choice);
    return { engine: createLocalEngine(kernels, setup, true), choice, plan };
  }
  const module = await compileKernels(choice, options);
  const engine = await startRemoteEngine({
    setup,
    banks: plan.banks,
    activations: choice.activations,
    cache: choice.kvCache,
    packsTogether: choice.packsTogether,
    module,
    threads: choice.threads,
    startThread: options.startThread,
  });
  return { engine, choice, plan };
}

/** Refuses what this machine cannot hold, and says what it could. @throws out-of-memory */
function expectRoom(
  { config, onNotice }: EngineRequest,
  plan: MemoryPlan,
  options: PlanOptions,
  { mostBytes, freeBytes }: MachineMemory,
): void {
  const [all, weights, cache, most, free] = [
    plan.totalBytes,
    plan.weightBytes,
    plan.cacheBytes,
    mostBytes,
    freeBytes,
  ].map(gigabytes);
  if (plan.totalBytes <= mostBytes) {
    if (plan.totalBytes <= freeBytes) return;
    onNotice(
      `The model needs ${all}, but the system counts only ${free} as free: it may have to give ` +
        'up caches, or become slow.',
    );
    return;
  }
  const fitting = whatFits(config, options, mostBytes);
  const parts = `weights ${weights}, cache of ${plan.contextLength} positions ${cache}`;
  throw new BaichuanError('out-of-memory', {
    where: 'memory plan',
    what: `The model needs ${all} (${parts}), but there are only ${most} for it.`,
    fix: fitting === undefined ? 'Use a machine with more memory.' : `Use ${fitting}.`,
    expected: mostBytes,
    found: plan.totalBytes,
  });
}
