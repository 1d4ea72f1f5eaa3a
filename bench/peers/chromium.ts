/** One page in headless Chromium that is given work over HTTP from this machine only. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT } from './bundle.ts';
import type { Contestant, Outcome } from './contest.ts';
import type { PageRequest } from './page.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** The page is there sooner. */
const START_MS = 60_000;

/** No answer of the page takes longer. */
const LIMIT_MS = 600_000;

/** What Chromium would otherwise ask the network for at every start is switched off, and what makes
 *  pages that nobody looks at slower. */
const FLAGS = [
  ...['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-quic'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ...['--disable-background-timer-throttling', '--disable-renderer-backgrounding'],
];

/** Without isolation there is neither shared memory nor a fine clock. */
const HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
};

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** A page whose script says when it could not begin. */
const HTML = `<!doctype html><meta charset="utf-8"><script type="module">
  import('/page.js').catch((error) => {
    fetch('/next', { method: 'POST', body: JSON.stringify({ error: String(error.stack) }) });
  });
</script>`;

/** Where a page finds files of this machine. */
const ROOTS: Readonly<Record<string, string>> = {
  '/dist/': path.join(ROOT, 'dist'),
  '/node_modules/': path.join(ROOT, 'node_modules'),
  '/peers/': path.join(import.meta.dirname, 'node_modules'),
};

/** The browser with its page. */
export interface Browser {
  /** Chromium's own words about its version. */
  readonly version: string;
  /** Loads a model in the page. */
  load(request: PageRequest & { type: 'load' }): Promise<Contestant>;
  close(): Promise<void>;
}

/** Whether there is a browser to start. */
export function hasChromium(): boolean {
  return existsSync(CHROMIUM);
}

/** Starts Chromium with one page.
 *  @param script of the page @param model the file served as `/model.gguf`, if any */
export async function startChromium(script: string, model?: string): Promise<Browser> {
  const page = new PageLine();
  const server = createServer((request, response) => {
    respond(request, response, { page, script, model }).catch((error) => {
      response.destroy(error);
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : address;
  const profile = mkdtempSync(path.join(tmpdir(), 'baichuan-chromium-'));
  // A group of its own: the helpers end with the first process.
  const child = spawn(
    CHROMIUM,
    [...FLAGS, `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`],
    { stdio: 'ignore', detached: true },
  );
  const end = () => endGroup(child);
  process.once('exit', end);
  child.once('error', (error) => page.fail(error));
  child.once('exit', (code) => page.fail(new Error(`${CHROMIUM} ended with ${code}`)));
  return {
    version: await page.version,
    load: async (request) => {
      const label = String(await page.ask(request));
      return contestant(page, request.name, label);
    },
    close: async () => {
      end();
      process.off('exit', end);
      await closeServer(server);
      rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

function contestant(page: PageLine, name: string, label: string): Contestant {
  return {
    label,
    round: async (task, wantsLogits = false) =>
      (await page.ask({ type: 'round', name, task, wantsLogits })) as Outcome,
    // The page ends with the browser.
    close: async () => {},
  };
}

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended by itself.
  }
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

/** The line to the page: it asks for work and brings the result of the work before. */
class PageLine {
  /** Settles when the page asks for the first time. */
  readonly version: Promise<string>;
  private meet: (version: string) => void = () => {};
  private waiting: ServerResponse | undefined;
  private resolve: (reply: unknown) => void = () => {};
  private reject: (error: Error) => void = () => {};

  constructor() {
    this.version = new Promise((resolve, reject) => {
      this.meet = resolve;
      this.reject = reject;
      setTimeout(() => reject(new Error('the page did not begin')), START_MS).unref();
    });
  }

  /** The page asks for work. @param body its last result */
  next(body: string, request: IncomingMessage, response: ServerResponse): void {
    this.waiting = response;
    const reply: { result?: unknown; error?: string } | null = JSON.parse(body);
    if (reply?.error !== undefined) this.reject(new Error(reply.error));
    else if (reply !== null) this.resolve(reply.result);
    else this.meet(/Chrome\/[\d.]+/.exec(request.headers['user-agent'] ?? '')?.[0] ?? 'Chromium');
  }

  ask(request: PageRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer of the page')), LIMIT_MS);
      this.resolve = (result) => {
        clearTimeout(timer);
        resolve(result);
      };
      this.reject = (error) => {
        clearTimeout(timer);
        reject(error);
      };
      this.waiting?.end(JSON.stringify(request));
    });
  }

  fail(error: Error): void {
    this.reject(error);
  }
}

interface Content {
  readonly page: PageLine;
  readonly script: string;
  readonly model: string | undefined;
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  { page, script, model }: Content,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  if (pathname === '/next') {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    response.writeHead(200, { ...HEADERS, 'content-type': 'application/json' });
    page.next(Buffer.concat(chunks).toString('utf8'), request, response);
    return;
  }
  const send = (type: string, body: string | Buffer) =>
    response.writeHead(200, { ...HEADERS, 'content-type': type }).end(body);
  if (pathname === '/') send('text/html', HTML);
  else if (pathname === '/page.js') send('text/javascript', script);
  else if (pathname === '/model.gguf' && model !== undefined) {
    const { size } = statSync(model);
    response.writeHead(200, { ...HEADERS, 'content-length': size });
    createReadStream(model).pipe(response);
  } else sendFile(pathname, response, send);
}

function sendFile(
  pathname: string,
  response: ServerResponse,
  send: (type: string, body: string | Buffer) => void,
): void {
  const prefix = Object.keys(ROOTS).find((root) => pathname.startsWith(root));
  const file = path.join(ROOTS[prefix ?? ''] ?? '', pathname.slice(prefix?.length));
  if (prefix === undefined || !existsSync(file) || !statSync(file).isFile()) {
    response.writeHead(404, HEADERS).end();
    return;
  }
  const type = TYPES[path.extname(file)] ?? 'application/octet-stream';
  // Neither pages nor workers of all browsers know the places of packages.
  if (prefix === '/dist/' && type === 'text/javascript') {
    send(type, readFileSync(file, 'utf8').replaceAll(...LOADER));
  } else send(type, readFileSync(file));
}

const LOADER = [
  /(from|import) ?'@assemblyscript\/loader'/g,
  "$1 '/node_modules/@assemblyscript/loader/index.js'",
] as const;
