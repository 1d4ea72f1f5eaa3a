/** A Chromium that answers questions about pages, through the DevTools protocol on two pipes:
 *  messages are JSON, each ended by a zero byte. */

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** What Chromium would otherwise ask the network for at every start is switched off. */
export const FLAGS = [
  ...['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-quic'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** The longest that the pages of one browser may take, on a busy machine too. */
const LIMIT_MS = 300_000;

/** @typedef {{ text?: string, exception?: { description: string } }} Thrown */

/** What the calls made here answer. @typedef {{
 *    targetId?: string,
 *    sessionId?: string,
 *    result?: { value?: unknown },
 *    exceptionDetails?: Thrown,
 *    cssContentSize?: { x: number, y: number, width: number, height: number },
 *    data?: string,
 *  }} Answer */

/** What the events listened to tell. @typedef {{
 *    request?: { url: string },
 *    exceptionDetails?: Thrown,
 *    entry?: { level: string, text: string },
 *    type?: string,
 *  }} Told */

/** @typedef {{ method?: string, id?: number, result?: Answer, error?: { message: string },
 *    params?: Told, sessionId?: string }} Message */

/** @typedef {{
 *    evaluate: (script: string) => Promise<unknown>,
 *    text: (script: string) => Promise<string>,
 *    number: (script: string) => Promise<number>,
 *    press: (key: string) => Promise<void>,
 *    darken: () => Promise<void>,
 *    screenshot: () => Promise<Buffer>,
 *    complaints: string[],
 *    requests: string[],
 *  }} OpenPage */

/** Starts a browser, gives it to `use`, and ends it with all its processes.
 *  @template Result @param {(open: (url: string, options?: { scripts?: boolean, width?: number })
 *    => Promise<OpenPage>) => Promise<Result>} use @returns {Promise<Result>} */
export async function withChromium(use) {
  const profile = mkdtempSync(path.join(tmpdir(), 'baichuan-chromium-'));
  const flags = [...FLAGS, '--remote-debugging-pipe', `--user-data-dir=${profile}`];
  const child = spawn(CHROMIUM, [...flags, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const endGroup = () => killGroup(child.pid);
  process.once('exit', endGroup);
  const ended = new Promise((_, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${CHROMIUM} ended with ${code}`)));
  });
  try {
    const [, , , input, output] = child.stdio;
    const connection = connect(
      /** @type {import('node:stream').Writable} */ (input),
      /** @type {import('node:stream').Readable} */ (output),
    );
    const late = new Promise((_, reject) => {
      setTimeout(() => reject(new Error(`no end after ${LIMIT_MS / 1000} s`)), LIMIT_MS).unref();
    });
    return /** @type {Result} */ (
      await Promise.race([use((url, options) => openPage(connection, url, options)), ended, late])
    );
  } finally {
    endGroup();
    process.off('exit', endGroup);
    await ended.catch(() => {});
    await removeProfile(profile);
  }
}

/** @param {number | undefined} pid of a group's first process */
export function killGroup(pid) {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended by itself.
  }
}

/** A process that is just ending may still write a file; what then stays is a temporary folder.
 *  @param {string} profile */
export async function removeProfile(profile) {
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      rmSync(profile, { recursive: true, force: true });
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  process.stderr.write(`could not remove ${profile}\n`);
}

/** @param {import('node:stream').Writable} input @param {import('node:stream').Readable} output */
function connect(input, output) {
  /** @type {Map<number, (message: Message) => void>} */
  const waiting = new Map();
  /** @type {Set<(message: Message) => void>} */
  const listeners = new Set();
  let [last, rest] = [0, Buffer.alloc(0)];
  output.on('data', (/** @type {Buffer} */ chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      /** @type {Message} */
      const message = JSON.parse(rest.subarray(0, end).toString('utf8'));
      rest = rest.subarray(end + 1);
      if (message.id === undefined) for (const listener of listeners) listener(message);
      else waiting.get(message.id)?.(message);
    }
  });
  return {
    listeners,
    /** @param {string} method @param {object} [params] @param {string} [sessionId]
     *  @returns {Promise<Answer>} */
    send(method, params = {}, sessionId) {
      last += 1;
      const id = last;
      input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
      return new Promise((resolve, reject) => {
        waiting.set(id, ({ result = {}, error }) => {
          waiting.delete(id);
          if (error === undefined) resolve(result);
          else reject(new Error(`${method}: ${error.message}`));
        });
      });
    },
  };
}

/** Opens a page and waits until it is loaded.
 *  @param {ReturnType<typeof connect>} connection @param {string} url
 *  @param {{ scripts?: boolean, width?: number }} [options] @returns {Promise<OpenPage>} */
async function openPage(connection, url, { scripts = true, width = 1160 } = {}) {
  const { targetId } = await connection.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await connection.send('Target.attachToTarget', { targetId, flatten: true });
  const send = (/** @type {string} */ method, params = {}) =>
    connection.send(method, params, sessionId);
  /** @type {string[]} */
  const complaints = [];
  /** @type {string[]} */
  const requests = [];
  const loaded = new Promise((resolve) => {
    connection.listeners.add((message) => {
      if (message.sessionId !== sessionId) return;
      const { method, params = {} } = message;
      if (method === 'Page.loadEventFired') resolve(undefined);
      if (method === 'Network.requestWillBeSent') requests.push(params.request?.url ?? '');
      const complaint = complaintOf(method, params);
      if (complaint !== undefined) complaints.push(complaint);
    });
  });
  await showPage(send, url, { scripts, width });
  await loaded;
  const evaluate = async (/** @type {string} */ expression) => {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await send('Runtime.evaluate', options);
    if (exceptionDetails !== undefined) throw new Error(thrown(exceptionDetails));
    return result?.value;
  };
  return {
    complaints,
    requests,
    evaluate,
    text: async (expression) => String(await evaluate(expression)),
    number: async (expression) => Number(await evaluate(expression)),
    async press(key) {
      for (const type of ['keyDown', 'keyUp']) await send('Input.dispatchKeyEvent', { type, key });
    },
    async darken() {
      const features = [{ name: 'prefers-color-scheme', value: 'dark' }];
      await send('Emulation.setEmulatedMedia', { features });
    },
    async screenshot() {
      const options = { format: 'png', captureBeyondViewport: true };
      const { cssContentSize } = await send('Page.getLayoutMetrics');
      const clip = { ...cssContentSize, scale: 1 };
      const { data } = await send('Page.captureScreenshot', { ...options, clip });
      return Buffer.from(data ?? '', 'base64');
    },
  };
}

/** @param {(method: string, params?: object) => Promise<Answer>} send @param {string} url
 *  @param {{ scripts: boolean, width: number }} options */
async function showPage(send, url, { scripts, width }) {
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await send(`${domain}.enable`);
  const size = { width, height: 900, deviceScaleFactor: 1, mobile: false };
  await send('Emulation.setDeviceMetricsOverride', size);
  await send('Emulation.setScriptExecutionDisabled', { value: !scripts });
  await send('Page.navigate', { url });
}

/** What a page says went wrong, if that is what a message tells.
 *  @param {string | undefined} method @param {Told} params */
function complaintOf(method, params) {
  const { exceptionDetails, entry } = params;
  if (method === 'Runtime.exceptionThrown') return thrown(exceptionDetails);
  if (method === 'Log.entryAdded') return `${entry?.level}: ${entry?.text}`;
  if (method === 'Runtime.consoleAPICalled') return `console.${params.type}`;
  return undefined;
}

/** @param {Thrown | undefined} details */
function thrown(details) {
  return String(details?.exception?.description ?? details?.text);
}
