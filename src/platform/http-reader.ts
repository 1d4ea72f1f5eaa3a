/** Reads a file on a web server range by range, from as few answers as there can be.
 *
 *  Reads that follow each other are served from one answer of up to 64 MiB. A server may send less
 *  than it was asked for, as its Content-Range says (RFC 9110, section 14.2): the rest is asked for
 *  at once. A broken connection is taken up again where it stopped, after a pause. */

import { BaichuanError } from '../errors.ts';
import {
  askFor,
  type HttpAnswer,
  type HttpFile,
  passingError,
  withRetries,
} from './http-request.ts';

/** Bytes of one request, where reads follow each other. */
const STREAM_BYTES = 64 * 2 ** 20;

/** An answer with fewer bytes than this, where more were asked for, gets nowhere. */
const LEAST_BYTES = 1024;

/** Such answers in a row that are borne: a large file would take hours of them. */
const MAX_MEAGRE_ANSWERS = 32;

/** What the first answer says of a file. */
export interface HttpVersion {
  readonly size: number;
  readonly validator: string;
}

/** An answer that is being read: what comes next of it stands at `at`. */
interface Stream {
  readonly answer: HttpAnswer;
  readonly begin: number;
  /** Where the answer ends, as the server says. */
  readonly end: number;
  /** Where it should end: no earlier than `end`. */
  readonly askedEnd: number;
  at: number;
  rest: Uint8Array;
}

/** Reads one range after the other, from the answer at hand where it has what comes next.
 *  @throws io-failed, io-changed, io-no-ranges, aborted */
export function createHttpReader(file: HttpFile, version: HttpVersion) {
  let stream: Stream | undefined;
  /** Where the last read ended: one that begins there is taken to be followed by others. */
  let follower = -1;
  /** How many answers in a row got nowhere. */
  let meagre = 0;

  function stop(): void {
    stream?.answer.stop();
    stream = undefined;
  }

  /** The answer that has the byte at `at`: the one at hand, or a new one. */
  async function streamFrom(at: number, end: number): Promise<Stream> {
    const previous = stream?.at === at ? stream : undefined;
    if (previous !== undefined && at < previous.end) return previous;
    if (previous !== undefined) meagre = isMeagre(previous) ? meagre + 1 : 0;
    stop();
    if (meagre >= MAX_MEAGRE_ANSWERS) throw meagreError(file.name, at);
    const ahead = at === follower ? at + STREAM_BYTES : end;
    const askedEnd = Math.min(Math.max(end, ahead, previous?.askedEnd ?? 0), version.size);
    stream = await openStream(file, version, at, askedEnd);
    return stream;
  }

  /** Some of the bytes from `at` to `end`, at least one. */
  async function some(at: number, end: number): Promise<Uint8Array> {
    const from = await streamFrom(at, end);
    try {
      return await take(from, end - at);
    } catch (error) {
      meagre = isMeagre(from) ? meagre + 1 : 0;
      stop();
      throw error;
    }
  }

  async function read(byteOffset: number, byteLength: number): Promise<Uint8Array> {
    const bytes = await joined(file, byteOffset, byteLength, some);
    follower = byteOffset + byteLength;
    return bytes;
  }

  return { read, stop };
}

/** A range, put together from what comes of it. */
async function joined(
  file: HttpFile,
  byteOffset: number,
  byteLength: number,
  some: (at: number, end: number) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteLength);
  const end = byteOffset + byteLength;
  for (let at = byteOffset; at < end; ) {
    const from = at;
    // Attempts are counted anew after every byte that came.
    const part = await withRetries(file, () => some(from, end));
    bytes.set(part, at - byteOffset);
    at += part.length;
  }
  return bytes;
}

async function openStream(
  file: HttpFile,
  version: HttpVersion,
  at: number,
  askedEnd: number,
): Promise<Stream> {
  const answer = await askFor(file, [at, askedEnd]);
  const { status, headers } = answer;
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  const [, first = String(at), last = String(askedEnd - 1), total = '*'] = range ?? [];
  const isSame =
    status === 206 &&
    validatorOf(headers) === version.validator &&
    (total === '*' || Number(total) === version.size);
  if (isSame && Number(first) === at && Number(last) >= at) {
    // More than was asked for is none of ours.
    const end = Math.min(Number(last) + 1, askedEnd);
    return { answer, begin: at, at, end, askedEnd, rest: new Uint8Array(0) };
  }
  answer.stop();
  if (isSame) throw noRangesError(file.name, 'answers with other bytes than it was asked for');
  throw new BaichuanError('io-changed', {
    file: file.name,
    where: `byte ${at}`,
    what: 'the file changed on the server while it was open.',
    fix: 'Load the model again.',
  });
}

/** Whether an answer that came to its end, as announced or broken, got nowhere. */
function isMeagre({ begin, at, askedEnd }: Stream): boolean {
  return at < askedEnd && at - begin < LEAST_BYTES;
}

/** Takes what has come, at most so many bytes, or waits for more. */
async function take(stream: Stream, byteLength: number): Promise<Uint8Array> {
  if (stream.rest.length === 0) {
    const chunk = await stream.answer.next();
    if (chunk === undefined) throw passingError('the answer ended early');
    // More than was announced is none of ours.
    stream.rest = chunk.subarray(0, stream.end - stream.at);
  }
  const bytes = stream.rest.subarray(0, byteLength);
  stream.rest = stream.rest.subarray(bytes.length);
  stream.at += bytes.length;
  return bytes;
}

/** Weak tags serve as well: of a file that was replaced they differ too. */
export function validatorOf(headers: Headers): string {
  return headers.get('etag') ?? headers.get('last-modified') ?? '';
}

function meagreError(name: string, at: number): BaichuanError {
  const found = `less than ${LEAST_BYTES} bytes`;
  return new BaichuanError('io-no-ranges', {
    file: name,
    where: `byte ${at}`,
    what: `the server sent ${found} per answer, ${MAX_MEAGRE_ANSWERS} times in a row.`,
    fix: 'Use a server that answers range requests, or download the file and open it.',
    expected: 'the range that was asked for',
    found,
  });
}

/** What is thrown where ranges are not answered. */
export function noRangesError(name: string, reason: string): BaichuanError {
  return new BaichuanError('io-no-ranges', {
    file: name,
    what: `the server ${reason}.`,
    fix: 'Use a server that answers range requests, or download the file and open it.',
  });
}
