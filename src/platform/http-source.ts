/** A file on a web server as a `ByteSource`, read by range requests (RFC 9110, section 14).
 *
 *  The first request, for one byte, tells the size. Size and validators (ETag, Last-Modified) of
 *  every answer are compared with the first: a file that was replaced meanwhile is an error, never
 *  a mixture of two. A server without ranges gives small files only, whole. */

import {
  type ByteSource,
  bufferSource,
  closedError,
  expectRange,
  joinBytes,
} from '../formats/byte-source.ts';
import { createHttpReader, type HttpVersion, noRangesError, validatorOf } from './http-reader.ts';
import {
  askFor,
  type HttpAnswer,
  type HttpFile,
  passingError,
  withRetries,
} from './http-request.ts';

/** Without ranges a file is held in memory, up to this size. */
const WHOLE_FILE_BYTES = 64 * 2 ** 20;

/** Opens a file on a web server. @throws io-not-found, io-failed, io-no-ranges */
export async function openHttpFile(file: HttpFile): Promise<ByteSource> {
  const first = await withRetries(file, async () => {
    const answer = await askFor(file, [0, 1]);
    try {
      return answer.status === 200 ? await wholeFile(file, answer) : await versionOf(file, answer);
    } finally {
      answer.stop();
    }
  });
  return first instanceof Uint8Array ? bufferSource(file.name, first) : rangeSource(file, first);
}

async function versionOf(file: HttpFile, { status, headers }: HttpAnswer): Promise<HttpVersion> {
  const [, total] = /\/(\d+)$/.exec(headers.get('content-range') ?? '') ?? [];
  const size = Number(total ?? (status === 416 ? Number.NaN : await sizeByHead(file)));
  // 416: an empty file has no first byte.
  const isKnown = Number.isSafeInteger(size) && (status === 206 || size === 0);
  if (isKnown) return { size, validator: validatorOf(headers) };
  throw noRangesError(file.name, 'does not tell the size of the file');
}

/** Where a page of another origin may not see Content-Range, it may see Content-Length. */
async function sizeByHead(file: HttpFile): Promise<number> {
  const answer = await askFor(file, undefined, 'HEAD');
  answer.stop();
  return Number(answer.headers.get('content-length') ?? Number.NaN);
}

async function wholeFile({ name }: HttpFile, answer: HttpAnswer): Promise<Uint8Array> {
  const told = Number(answer.headers.get('content-length') ?? 0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    if (Math.max(told, size) > WHOLE_FILE_BYTES) {
      throw noRangesError(name, 'sends whole files only, and this one is too large for that');
    }
    const chunk = await answer.next();
    if (chunk === undefined) break;
    chunks.push(chunk);
    size += chunk.length;
  }
  // What was compressed on its way has another length than the answer.
  const isEncoded = answer.headers.has('content-encoding');
  if (!isEncoded && size < told) throw passingError(`the answer ended after ${size} bytes`);
  return joinBytes(chunks);
}

function rangeSource(file: HttpFile, version: HttpVersion): ByteSource {
  const { name } = file;
  const reader = createHttpReader(file, version);
  let closed = false;
  let previous: Promise<unknown> = Promise.resolve();
  return {
    name,
    size: version.size,
    async read(byteOffset, byteLength) {
      if (closed) throw closedError(name);
      expectRange(this, byteOffset, byteLength);
      const result = previous.then(() => {
        if (closed) throw closedError(name);
        return reader.read(byteOffset, byteLength);
      });
      previous = result.catch(() => undefined);
      return result;
    },
    async close() {
      closed = true;
      reader.stop();
    },
  };
}
