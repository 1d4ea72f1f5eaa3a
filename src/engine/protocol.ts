/** What the caller's thread and the engine worker say to each other, and how errors travel. */

import { BaichuanError, type ErrorCode, type ErrorDetails } from '../errors.ts';
import type { ParameterRows } from '../kernels/kernels.ts';
import type { BankPlan } from '../kernels/wasm/bank.ts';
import type { CacheFormat } from '../kernels/wasm/layout.ts';
import type { Patience } from '../kernels/wasm/pool.ts';
import type { PoolWorkerStart } from '../kernels/wasm/pool-worker.ts';
import type { PassPart, PassResult, RunOptions } from './engine.ts';
import type { EngineSetup } from './local-engine.ts';

/** The first message to a worker says what it is for. */
export type StartMessage =
  | { readonly role: 'engine'; readonly start: EngineStart }
  | { readonly role: 'pool'; readonly port: MessagePort };

/** What the engine worker needs to make room for a model. */
export interface EngineStart {
  readonly setup: EngineSetup;
  readonly banks: readonly BankPlan[];
  readonly activations: 'exact' | 'fast';
  readonly cache: CacheFormat;
  /** Whether the pool helps to pack the weights while they are read. */
  readonly packsTogether: boolean;
  readonly module: WebAssembly.Module;
  /** Shared between all threads, or of the engine worker alone where nothing can be shared. */
  readonly control: SharedArrayBuffer | ArrayBuffer;
  /** One channel to each worker of the pool. */
  readonly ports: readonly MessagePort[];
  /** How long workers are waited for, where not as usual. */
  readonly patience?: Patience | undefined;
}

/** What a worker of the pool gets through its channel. */
export type PoolMessage = PoolWorkerStart;

/** Work for the engine worker; each is answered in turn. */
export type Request =
  | {
      readonly method: 'write';
      readonly name: string;
      readonly row: number;
      readonly rows: ParameterRows;
    }
  | { readonly method: 'run'; readonly parts: readonly PassPart[]; readonly options: RunOptions }
  | { readonly method: 'replace'; readonly worker: number; readonly port: MessagePort };

/** Changes of the cache, which the caller has checked: nothing answers. */
export type Change =
  | { readonly method: 'open'; readonly sequence: number }
  | {
      readonly method: 'fork';
      readonly sequence: number;
      readonly source: number;
      readonly length: number;
    }
  | { readonly method: 'rollback'; readonly sequence: number; readonly length: number }
  | { readonly method: 'close'; readonly sequence: number }
  /** Where no memory is shared, a stop can only be told. */
  | { readonly method: 'abort' };

export type EngineMessage = { readonly id: number; readonly request: Request } | Change;

export interface Answer {
  readonly id: number;
  readonly value?: PassResult | undefined;
  readonly error?: SentError | undefined;
}

/** An error as plain data. */
export interface SentError {
  readonly code: ErrorCode | undefined;
  readonly details: ErrorDetails;
}

/** An error as data that crosses threads. */
export function sendError(error: unknown): SentError {
  if (error instanceof BaichuanError) {
    const { code, what, fix, file, where, expected, found, cause } = error;
    const reason = cause === undefined ? undefined : String(cause);
    return { code, details: { what, fix, file, where, expected, found, cause: reason } };
  }
  const what = error instanceof Error ? `${error.name}: ${error.message}.` : `${String(error)}.`;
  const stack = error instanceof Error ? error.stack : undefined;
  return { code: undefined, details: { what, fix: 'Report this.', cause: stack } };
}

/** The error that was sent. */
export function receivedError({ code, details }: SentError): BaichuanError {
  return new BaichuanError(code ?? 'internal-error', details);
}
