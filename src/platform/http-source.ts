/** A file on a web server as a `ByteSource`, read by range requests (RFC 9110, section 14).
 *
 *  The first request, for one byte, tells the size. Reads that follow each other are served from
 *  one answer of up to 64 MiB, so that a whole model takes few requests; a broken connection is
 *  taken up again where it stopped. Size and validators (ETag, Last-Modified) of every answer are
 *  compared with the first: a file that was replaced meanwhile is an error, never a mixture of
 *  two. A server without ranges gives small files only, whole. */

import { BaichuanError } from '../errors.ts';
import {
  type ByteSource,
  bufferSource,
  closedError,
  expectRange,
  joinBytes,
} from '../formats/byte-source.ts';
import {
  askFor,
  type HttpAnswer,
  type HttpFile,
  passingError,
  withRetries,
} from './http-request.ts';

/** Without ranges a file is held in memory, up to this size. */
const WHOLE_FILE_BYTES = 64 * 2 ** 20;

/** Bytes of one request, where reads follow each other. */
const STREAM_BYTES = 64 * 2 ** 20;

/** What the first answer says of a file. */
interface Version {
  readonly size: number;
  readonly validator: string;
}

/** An answer that is being read: what comes next of it stands at `at`. */
interface Stream {
  readonly answer: HttpAnswer;
  readonly end: number;
  at: number;
  rest: Uint8Array;
}

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

async function versionOf(file: HttpFile, { status, headers }: HttpAnswer): Promise<Version> {
  const [, total] = /\/(\d+)$/.exec(headers.get('content-range') ?? '') ?? [];
  const size = Number(total ?? (status === 416 ? Number.NaN : await sizeByHead(file)));
  // 416: an empty file has no first byte.
  const isKnown = Number.isSafeInteger(size) && (status === 206 || size === 0);
  if (isKnown) return { size, validator: validatorOf(headers) };
  throw noRanges(file.name, 'does not tell the size of the file');
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
      throw noRanges(name, 'sends whole files only, and this one is too large for that');
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

function rangeSource(file: HttpFile, version: Version): ByteSource {
  const { name } = file;
  const reader = createReader(file, version);
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

/** Reads one range after the other, from the answer at hand where it has what comes next. */
function createReader(file: HttpFile, version: Version) {
  let stream: Stream | undefined;
  /** Where the last read ended: one that begins there is taken to be followed by others. */
  let follower = -1;
  const stop = () => {
    stream?.answer.stop();
    stream = undefined;
  };

  /** Some of the bytes from `at` to `end`, at least one. */
  async function some(at: number, end: number): Promise<Uint8Array> {
    try {
      if (stream === undefined || stream.at !== at || at === stream.end) {
        stop();
        const last = at === follower ? Math.max(end, at + STREAM_BYTES) : end;
        stream = await openStream(file, version, at, Math.min(last, version.size));
      }
      return await take(stream, end - at);
    } catch (error) {
      stop();
      throw error;
    }
  }

  async function read(byteOffset: number, byteLength: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(byteLength);
    const end = byteOffset + byteLength;
    for (let at = byteOffset; at < end; ) {
      const from = at;
      // Attempts are counted anew after every byte that came.
      const part = await withRetries(file, () => some(from, end));
      bytes.set(part, at - byteOffset);
      at += part.length;
    }
    follower = end;
    return bytes;
  }

  return { read, stop };
}

async function openStream(
  file: HttpFile,
  version: Version,
  at: number,
  end: number,
): Promise<Stream> {
  const answer = await askFor(file, [at, end]);
  const { status, headers } = answer;
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  const [, first = String(at), total = '*'] = range ?? [];
  const isSame =
    status === 206 &&
    validatorOf(headers) === version.validator &&
    (total === '*' || Number(total) === version.size);
  if (isSame && Number(first) === at) return { answer, at, end, rest: new Uint8Array(0) };
  answer.stop();
  if (isSame) throw noRanges(file.name, 'answers with other bytes than it was asked for');
  throw new BaichuanError('io-changed', {
    file: file.name,
    where: `byte ${at}`,
    what: 'the file changed on the server while it was open.',
    fix: 'Load the model again.',
  });
}

/** Takes what has come, at most so many bytes, or waits for more. */
async function take(stream: Stream, byteLength: number): Promise<Uint8Array> {
  if (stream.rest.length === 0) {
    const chunk = await stream.answer.next();
    if (chunk === undefined) throw passingError('the answer ended early');
    // More than was asked for is none of ours.
    stream.rest = chunk.subarray(0, stream.end - stream.at);
  }
  const bytes = stream.rest.subarray(0, byteLength);
  stream.rest = stream.rest.subarray(bytes.length);
  stream.at += bytes.length;
  return bytes;
}

/** Weak tags serve as well: of a file that was replaced they differ too. */
function validatorOf(headers: Headers): string {
  return headers.get('etag') ?? headers.get('last-modified') ?? '';
}

function noRanges(name: string, reason: string): BaichuanError {
  return new BaichuanError('io-no-ranges', {
    file: name,
    what: `the server ${reason}.`,
    fix: 'Use a server that answers range requests, or download the file and open it.',
  });
}
