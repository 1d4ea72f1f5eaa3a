/** A web server in place of `fetch`: files by path, ranges, and faults by the number of the
 *  request. */

export interface ServedFile {
  bytes: Uint8Array;
  etag?: string;
}

/** What is done instead of answering as asked. */
export interface Fault {
  readonly status?: number;
  /** Breaks off after so many bytes. */
  readonly cut?: number;
  /** Sends nothing more after so many bytes. */
  readonly hangAfter?: number;
  /** Never answers. */
  readonly silent?: boolean;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Answers with bytes so much further on. */
  readonly shift?: number;
}

export interface WebServer {
  readonly fetch: typeof fetch;
  readonly files: Map<string, ServedFile>;
  /** Method, path and range of every request. */
  readonly requests: string[];
  /** By the number of the request, from 0 on. */
  faults: Map<number, Fault>;
  knowsRanges: boolean;
  /** Most bytes of one answer to a range, whose Content-Range says so. */
  rangeBytes: number;
  /** Headers that a page of another origin may not see. */
  hidden: readonly string[];
}

/** Bytes of one piece of a body: sizes in specs are no multiples of it. */
const PIECE_BYTES = 1000;

/** Makes a server of files by path. */
export function webServer(files: Readonly<Record<string, Uint8Array>>): WebServer {
  const server: WebServer = {
    files: new Map(Object.entries(files).map(([path, bytes]) => [path, { bytes, etag: '"1"' }])),
    requests: [],
    faults: new Map(),
    knowsRanges: true,
    rangeBytes: Number.POSITIVE_INFINITY,
    hidden: [],
    fetch: async (input, init = {}) => {
      const isSilent = server.faults.get(server.requests.length)?.silent === true;
      const response = answer(server, new URL(String(input)), init);
      if (isSilent) await untilAborted(init);
      return response;
    },
  };
  return server;
}

function answer(server: WebServer, url: URL, init: RequestInit): Response {
  const range = new Headers(init.headers).get('range');
  const fault: Fault = server.faults.get(server.requests.length) ?? {};
  server.requests.push(`${init.method} ${url.pathname} ${range ?? ''}`.trim());
  const file = server.files.get(decodeURIComponent(url.pathname));
  if (fault.status !== undefined) return new Response('<html>', { status: fault.status });
  if (file === undefined) return new Response('no such file', { status: 404 });
  const { bytes, etag = '' } = file;
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  const isPart = server.knowsRanges && first !== undefined;
  if (isPart && Number(first) >= bytes.length) {
    return new Response('', {
      status: 416,
      headers: { 'content-range': `bytes */${bytes.length}` },
    });
  }
  const begin = isPart ? Number(first) + (fault.shift ?? 0) : 0;
  const most = isPart ? begin + server.rangeBytes : bytes.length;
  const end = Math.min(bytes.length, isPart ? Number(last) + 1 : bytes.length, most);
  const headers = new Headers({ etag, 'content-length': String(end - begin) });
  if (isPart) headers.set('content-range', `bytes ${begin}-${end - 1}/${bytes.length}`);
  for (const [name, value] of Object.entries(fault.headers ?? {})) {
    if (value === undefined) headers.delete(name);
    else headers.set(name, value);
  }
  for (const name of server.hidden) headers.delete(name);
  const body = init.method === 'HEAD' ? null : bodyOf(bytes.subarray(begin, end), fault, init);
  return new Response(body, { status: isPart ? 206 : 200, headers });
}

async function untilAborted({
  signal,
}: {
  signal?: AbortSignal | null | undefined;
}): Promise<never> {
  await new Promise((resolve) => signal?.addEventListener('abort', resolve));
  throw new Error('aborted');
}

function bodyOf(bytes: Uint8Array, fault: Fault, { signal }: RequestInit) {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (at >= (fault.hangAfter ?? Number.POSITIVE_INFINITY)) {
        await untilAborted({ signal });
      }
      if (at >= (fault.cut ?? Number.POSITIVE_INFINITY)) throw new Error('connection reset');
      if (at === bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, at + PIECE_BYTES));
      at = Math.min(bytes.length, at + PIECE_BYTES);
    },
  });
}
