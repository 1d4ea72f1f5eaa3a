/** One file on a web server, whole and with faults. */

import { openHttpFile } from '../../src/platform/http-source.ts';
import { countingBytes } from './model-files.ts';
import { type Fault, type WebServer, webServer } from './web-server.ts';

export const URL_TEXT = 'https://models.example/a/model.bin';
export const SIZE = 25_300;
export const BYTES = countingBytes(SIZE);

export const serve = (bytes = BYTES): WebServer => webServer({ '/a/model.bin': bytes });

export const fileOf = ({ fetch }: WebServer, patienceMs = 1000) => ({
  ...{ name: 'https://models.example/a/model.bin', url: new URL(URL_TEXT) },
  ...{ fetch, patienceMs, retryMs: 1 },
});

/** Opens a file on a server with faults by the number of the request, and reads a range. */
export async function readWith(
  faults: Record<number, Fault>,
  range = [3, 20_000],
  server = serve(),
) {
  server.faults = new Map(Object.entries(faults).map(([at, fault]) => [Number(at), fault]));
  const source = await openHttpFile(fileOf(server, 50));
  try {
    return await source.read(range[0], range[1]);
  } finally {
    await source.close();
  }
}
