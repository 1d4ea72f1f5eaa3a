/** Requests to a server of the user's, each with a time limit and a limit on its answer. A redirect
 *  is not followed: what was asked of one server goes to no other. */

import { BaichuanError, type ErrorCode, quote } from '../errors.ts';
import { joinBytes } from '../formats/byte-source.ts';
import { innermostCause } from './http-request.ts';

export interface HttpRequest {
  readonly url: string;
  /** Sent as JSON with POST; GET without it. */
  readonly body?: unknown;
  /** Sent as a bearer token. */
  readonly apiKey?: string | undefined;
  readonly timeoutMs: number;
  /** Bytes of the answer at most. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly bytes: Uint8Array;
}

/** Asks and reads the whole answer.
 *  @throws server-timeout, server-unreachable, server-closed, server-size, server-redirect,
 *  aborted */
export async function askServer(request: HttpRequest): Promise<HttpAnswer> {
  const { url, body, apiKey, timeoutMs, signal } = request;
  const limit = new AbortController();
  // Not AbortSignal.timeout: its timer would keep a finished program alive.
  const timer = setTimeout(() => limit.abort(), timeoutMs);
  const either = signal === undefined ? limit.signal : AbortSignal.any([limit.signal, signal]);
  let started = false;
  try {
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'manual',
      signal: either,
    });
    started = true;
    if (response.status >= 300 && response.status < 400) throw redirected(request, response);
    return { status: response.status, bytes: await readBody(response, request) };
  } catch (cause) {
    if (cause instanceof BaichuanError) throw cause;
    throw asServerError(cause, request, { isLate: limit.signal.aborted, started });
  } finally {
    clearTimeout(timer);
  }
}

async function readBody(response: Response, request: HttpRequest): Promise<Uint8Array> {
  const { maxBytes } = request;
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const step = await reader?.read();
    if (step === undefined || step.done) break;
    size += step.value.length;
    if (size > maxBytes) {
      await reader?.cancel();
      throw serverError('server-size', request, {
        what: `The answer has more than ${maxBytes} bytes.`,
        fix: 'Check that this is the server of a language model, and what it was asked for.',
      });
    }
    chunks.push(step.value);
  }
  return joinBytes(chunks);
}

function redirected(request: HttpRequest, response: Response): BaichuanError {
  const target = quote(response.headers.get('location') ?? '');
  return serverError('server-redirect', request, {
    what: `The server sends elsewhere, to ${target}; nothing was sent there.`,
    fix: 'Give the address where the server answers itself.',
  });
}

function asServerError(
  cause: unknown,
  request: HttpRequest,
  { isLate, started }: { isLate: boolean; started: boolean },
): BaichuanError {
  if (request.signal?.aborted === true) {
    const what = 'The request was interrupted.';
    return new BaichuanError('aborted', { where: request.url, what, fix: 'Run it again.' });
  }
  if (isLate) {
    return serverError('server-timeout', request, {
      what: `There was no whole answer within ${request.timeoutMs / 1000} s.`,
      fix: 'See whether the server is busy, or give it longer with --timeout.',
      cause,
    });
  }
  // Deno adds its own port, another one every time.
  const told = reasonOf(cause).replace(/ from [\d.]+:\d+/, '');
  const reason = quote(told);
  // Node, Bun and Deno say in their own words that there was a connection.
  if (!started && !/reset|closed|socket|sendrequest/i.test(told)) {
    return serverError('server-unreachable', request, {
      what: `There is no connection: ${reason}.`,
      fix: 'Check the address and that the server is running.',
      cause,
    });
  }
  return serverError('server-closed', request, {
    what: `The server closed the connection before its answer was whole: ${reason}.`,
    fix: "Look into the server's log; it may have crashed or run out of memory.",
    cause,
  });
}

/** What the system calls it, or else its message. */
function reasonOf(cause: unknown): string {
  const reason = innermostCause(cause);
  if (!(reason instanceof Error)) return String(reason);
  return 'code' in reason && typeof reason.code === 'string' ? reason.code : reason.message;
}

function serverError(
  code: ErrorCode,
  { url }: HttpRequest,
  details: { what: string; fix: string; cause?: unknown },
): BaichuanError {
  return new BaichuanError(code, { where: quote(url), ...details });
}
