/** The one door through which the bytes of model files come: a named, sized source that is read by
 *  range. A buffer and a Blob are sources here; files are in `src/platform/`.
 *
 *  A read gives exactly the bytes asked for, in memory of the caller's own, or it fails: there are
 *  no short reads. Offsets and lengths are numbers under 2^53. */
import { BaichuanError } from '../errors.ts';

/** Bytes of a known size that can be read anywhere, any number of times. */
export interface ByteSource {
  /** The file as the caller named it, for messages. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  /** Reads a range. @returns exactly `byteLength` bytes, owned by the caller
   *  @throws io-range, io-failed, io-changed, io-closed */
  read(byteOffset: number, byteLength: number): Promise<Uint8Array>;
  /** Gives the file back; later reads fail. Closing twice does nothing. */
  close(): Promise<void>;
}

/** Where a writer puts its bytes, one block after the other. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

/** Where bytes go to places of their own, in any order. */
export interface PlacedByteSink {
  writeAt(byteOffset: number, bytes: Uint8Array): Promise<void>;
}

/** Bytes one after the other. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** A file in memory. */
export interface MemorySink extends ByteSink, PlacedByteSink {
  /** A copy of what was written; zeros where nothing was. */
  bytes(): Uint8Array;
}

/** Makes a file in memory. */
export function memorySink(): MemorySink {
  let buffer = new Uint8Array(2 ** 16);
  let size = 0;
  const writeAt = async (byteOffset: number, bytes: Uint8Array) => {
    const end = byteOffset + bytes.length;
    if (end > buffer.length) {
      const larger = new Uint8Array(Math.max(end, 2 * buffer.length));
      larger.set(buffer.subarray(0, size));
      buffer = larger;
    }
    buffer.set(bytes, byteOffset);
    size = Math.max(size, end);
  };
  return {
    writeAt,
    write: (bytes) => writeAt(size, bytes),
    bytes: () => buffer.slice(0, size),
  };
}

/** Refuses a range that is not inside a source.
 *  @param source its name and size in bytes
 *  @throws io-range */
export function expectRange(
  source: { readonly name: string; readonly size: number },
  byteOffset: number,
  byteLength: number,
): void {
  const valid =
    Number.isSafeInteger(byteOffset) &&
    Number.isSafeInteger(byteLength) &&
    byteOffset >= 0 &&
    byteLength >= 0 &&
    byteLength <= source.size - byteOffset;
  if (valid) return;
  throw new BaichuanError('io-range', {
    file: source.name,
    where: `byte ${byteOffset}`,
    what: `${byteLength} bytes were asked for, where the source has ${source.size} bytes in all.`,
    fix: 'Ask for a range inside the source.',
    expected: source.size,
    found: byteLength,
  });
}

/** The error of reading a source after its `close`. */
export function closedError(name: string): BaichuanError {
  return new BaichuanError('io-closed', {
    file: name,
    what: 'the file was closed before this read.',
    fix: 'Keep the checkpoint open until every tensor has been read.',
  });
}

/** Makes a source of bytes in memory. They are copied when read, so that what a reader does to
 *  them stays its own affair.
 *  @param name shown in messages @param bytes the whole content */
export function bufferSource(name: string, bytes: Uint8Array): ByteSource {
  let closed = false;
  return {
    name,
    size: bytes.length,
    async read(byteOffset, byteLength) {
      if (closed) throw closedError(name);
      expectRange(this, byteOffset, byteLength);
      return bytes.slice(byteOffset, byteOffset + byteLength);
    },
    async close() {
      closed = true;
    },
  };
}

/** Makes a source of a Blob or of a File chosen in a browser.
 *  @param name shown in messages @param blob the whole content */
export function blobSource(name: string, blob: Blob): ByteSource {
  let closed = false;
  return {
    name,
    size: blob.size,
    async read(byteOffset, byteLength) {
      if (closed) throw closedError(name);
      expectRange(this, byteOffset, byteLength);
      const bytes = await blobBytes(name, blob, byteOffset, byteLength);
      if (bytes.length === byteLength) return bytes;
      throw changedError(name, byteOffset, byteLength, bytes.length);
    },
    async close() {
      closed = true;
    },
  };
}

async function blobBytes(name: string, blob: Blob, byteOffset: number, byteLength: number) {
  try {
    return new Uint8Array(await blob.slice(byteOffset, byteOffset + byteLength).arrayBuffer());
  } catch (cause) {
    // A browser gives NotReadableError when the file behind a File was changed or removed.
    throw changedError(name, byteOffset, byteLength, 0, cause);
  }
}

function changedError(
  name: string,
  byteOffset: number,
  byteLength: number,
  found: number,
  cause?: unknown,
): BaichuanError {
  return new BaichuanError('io-changed', {
    file: name,
    where: `byte ${byteOffset}`,
    what: `only ${found} of ${byteLength} bytes could be read: the file changed while it was open.`,
    fix: 'Leave the file alone while it is open, and open it again.',
    expected: byteLength,
    found,
    cause,
  });
}
