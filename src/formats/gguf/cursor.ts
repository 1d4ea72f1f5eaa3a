/** The header of a GGUF file, read from front to back in pieces: whoever takes a value has asked
 *  first that its bytes are there, and is refused where the file ends before. */
import { BaichuanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';

/** Bytes read from the source at once. */
const READ_BYTES = 2 ** 18;

/** A place in a source, with the bytes that follow as far as they were asked for. */
export class HeaderCursor {
  readonly file: string;
  readonly fileSize: number;
  private readonly source: ByteSource;
  private view: DataView = new DataView(new ArrayBuffer(0));
  private viewOffset = 0;
  private position = 0;

  constructor(source: ByteSource) {
    this.source = source;
    this.file = source.name;
    this.fileSize = source.size;
  }

  /** The place in the file of the byte that comes next. */
  get byteOffset(): number {
    return this.viewOffset + this.position;
  }

  get bytesLeft(): number {
    return this.fileSize - this.byteOffset;
  }

  /** Whether so many bytes can be taken without asking. */
  has(byteLength: number): boolean {
    return byteLength <= this.view.byteLength - this.position;
  }

  /** Makes sure that so many bytes can be taken.
   *  @param field what they are, for the message @throws gguf-truncated, io-… */
  async need(byteLength: number, field: string): Promise<void> {
    if (this.has(byteLength)) return;
    if (byteLength > this.bytesLeft) throw this.truncated(byteLength, field);
    const { byteOffset } = this;
    const wanted = Math.min(Math.max(byteLength, READ_BYTES), this.bytesLeft);
    const bytes = await this.source.read(byteOffset, wanted);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.viewOffset = byteOffset;
    this.position = 0;
  }

  truncated(byteLength: number, field: string): BaichuanError {
    return new BaichuanError('gguf-truncated', {
      file: this.file,
      where: `byte ${this.byteOffset}, ${field}`,
      what: `${byteLength} bytes should follow, but the file has only ${this.bytesLeft} more.`,
      fix: 'Download the file again: it seems to have been cut short.',
      expected: byteLength,
      found: this.bytesLeft,
    });
  }

  /** The next bytes, which stay valid until the next `need`. */
  bytes(byteLength: number): Uint8Array {
    const start = this.advance(byteLength);
    return new Uint8Array(this.view.buffer, this.view.byteOffset + start, byteLength);
  }

  uint8(): number {
    return this.view.getUint8(this.advance(1));
  }

  int8(): number {
    return this.view.getInt8(this.advance(1));
  }

  uint16(): number {
    return this.view.getUint16(this.advance(2), true);
  }

  int16(): number {
    return this.view.getInt16(this.advance(2), true);
  }

  uint32(): number {
    return this.view.getUint32(this.advance(4), true);
  }

  int32(): number {
    return this.view.getInt32(this.advance(4), true);
  }

  float32(): number {
    return this.view.getFloat32(this.advance(4), true);
  }

  float64(): number {
    return this.view.getFloat64(this.advance(8), true);
  }

  uint64(): bigint {
    return this.view.getBigUint64(this.advance(8), true);
  }

  int64(): bigint {
    return this.view.getBigInt64(this.advance(8), true);
  }

  private advance(byteLength: number): number {
    const start = this.position;
    this.position += byteLength;
    return start;
  }
}
