/** Requests for files on web servers. No request waits for ever: without a byte for some time it is
 *  given up, and what may be a passing fault is tried again after a pause. */

import { abortedError, throwIfAborted } from '../abort.ts';
import { BaichuanError, type ErrorCode, quote } from '../errors.ts';

export interface HttpOptions {
  /** Sent with every request: `{ authorization: 'Bearer …' }`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Instead of the runtime's own. */
  readonly fetch?: typeof fetch | undefined;
  /** The longest time without a byte. */
  readonly patienceMs?: number | undefined;
  /** The pause before the first repetition; it doubles every time. */
  readonly retryMs?: number | undefined;
}

/** What is asked for. */
export interface HttpFile extends HttpOptions {
  /** For messages: without password and query. */
  readonly name: string;
  readonly url: URL;
  /** Ends requests and pauses. */
  readonly signal?: AbortSignal | undefined;
}

/** An answer, of which the body is read piece by piece. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** @returns the next bytes, at least one, or undefined at the end */
  next(): Promise<Uint8Array | undefined>;
  /** Gives the connection back. */
  stop(): void;
}

const PATIENCE_MS = 30_000;
const RETRY_MS = 250;
const ATTEMPTS = 5;

/** Answers after which the same request may succeed. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What `withRetries` repeats, where no fault of the runtime's is at hand. */
class PassingFault extends Error {}

/** Asks for a file, or a range of it.
 *  @param range bytes from and to (excluded)
 *  @throws io-not-found, io-failed, aborted, and what `withRetries` repeats */
export async function askFor(
  file: HttpFile,
  range?: readonly [number, number],
  method: 'GET' | 'HEAD' = 'GET',
): Promise<HttpAnswer> {
  const { url, headers, fetch: send = fetch } = file;
  const controller = new AbortController();
  const patiently = <Value>(waiting: Promise<Value>) => within(waiting, file, controller);
  const response = await patiently(
    send(url, {
      method,
      headers: {
        ...headers,
        ...(range === undefined ? {} : { range: `bytes=${range[0]}-${range[1] - 1}` }),
      },
      signal: controller.signal,
    }),
  );
  const stop = () => controller.abort();
  if (!response.ok && response.status !== 416) {
    stop();
    throw statusError(file, response.status);
  }
  const reader = response.body?.getReader();
  return {
    status: response.status,
    headers: response.headers,
    async next() {
      for (;;) {
        const step = reader === undefined ? undefined : await patiently(reader.read());
        if (step === undefined || step.done) return undefined;
        if (step.value.length > 0) return step.value;
      }
    },
    stop,
  };
}

/** Repeats an action, five times in all: every fault may pass but errors of this library, which
 *  have been judged. @throws io-failed, aborted, what the action throws of this library */
export async function withRetries<Value>(
  { name, retryMs = RETRY_MS, signal }: HttpFile,
  action: () => Promise<Value>,
): Promise<Value> {
  let pauseMs = retryMs;
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal);
    try {
      return await action();
    } catch (cause) {
      if (cause instanceof BaichuanError) throw cause;
      if (attempt === ATTEMPTS) throw lostError(name, cause);
      await pause(pauseMs, signal);
      pauseMs *= 2;
    }
  }
}

/** A fault that may pass. */
export function passingError(what: string): Error {
  return new PassingFault(what);
}

/** Waits for the server, no longer than its patience. @throws aborted, and what may pass */
async function within<Value>(
  waiting: Promise<Value>,
  { patienceMs = PATIENCE_MS, signal }: HttpFile,
  controller: AbortController,
): Promise<Value> {
  let giveUp = (_: Error) => {};
  const limit = new Promise<never>((_, reject) => {
    giveUp = (reason) => {
      reject(reason);
      controller.abort();
    };
  });
  const onAbort = () => giveUp(abortedError(signal));
  const slow = () => giveUp(passingError(`no byte came for ${patienceMs / 1000} s`));
  const timer = setTimeout(slow, patienceMs);
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted === true) onAbort();
  try {
    return await Promise.race([waiting, limit]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Ends early when the signal says so. */
function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener('abort', end);
  });
}

function statusError({ name }: HttpFile, status: number): Error {
  if (PASSING.has(status)) return passingError(`the server answers with status ${status}`);
  const [code, reason, fix]: [ErrorCode, string, string] =
    status === 404 || status === 410
      ? ['io-not-found', 'there is no such file', 'Check the address, also upper and lower case.']
      : status === 401 || status === 403
        ? ['io-failed', 'access is denied', 'Pass the headers that the server asks for.']
        : ['io-failed', 'the server refuses', 'Open the address in a browser to see why.'];
  return new BaichuanError(code, {
    file: name,
    what: `cannot read the file: ${reason} (status ${status}).`,
    fix,
    found: status,
  });
}

function lostError(name: string, cause: unknown): BaichuanError {
  const reason = quote(reasonOf(cause));
  return new BaichuanError('io-failed', {
    file: name,
    what: `cannot read the file: ${reason}, ${ATTEMPTS} times in a row.`,
    fix: 'Check the address and the connection, then load again.',
    cause,
  });
}

function reasonOf(cause: unknown): string {
  const reason = innermostCause(cause);
  return reason instanceof Error ? reason.message : String(reason);
}

/** The innermost reason of a fault: what is outside says only that fetching failed. */
export function innermostCause(fault: unknown): unknown {
  let reason = fault;
  while (reason instanceof Error && reason.cause !== undefined) reason = reason.cause;
  return reason;
}
