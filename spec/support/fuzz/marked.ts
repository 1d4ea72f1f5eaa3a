/** Bytes written together with a list of what they mean, so that a mutator can aim at the fields of
 *  a format without knowing it. */

/** A field: a number or a length, a tag that says what follows, or a text. */
export interface Field {
  readonly at: number;
  readonly size: number;
  readonly kind: 'number' | 'tag' | 'text';
  /** How a number is written; little-endian unless told. */
  readonly coding?: 'decimal' | 'varint';
}

export interface Marked {
  readonly bytes: Uint8Array;
  readonly fields: readonly Field[];
  /** Ranges that could be left out, doubled or exchanged. */
  readonly records: readonly { readonly at: number; readonly size: number }[];
}

/** Writes fields one after the other. */
export class MarkedWriter {
  private readonly bytes: number[] = [];
  private readonly fields: Field[] = [];
  private readonly records: { at: number; size: number }[] = [];

  get at(): number {
    return this.bytes.length;
  }

  number(size: number, value: number | bigint, kind: Field['kind'] = 'number'): this {
    this.fields.push({ at: this.at, size, kind });
    let rest = BigInt.asUintN(8 * size, BigInt(value));
    for (let index = 0; index < size; index++, rest >>= 8n) this.bytes.push(Number(rest & 255n));
    return this;
  }

  /** A scalar of a JSON text. */
  decimal(text: string): this {
    this.fields.push({ at: this.at, size: text.length, kind: 'number', coding: 'decimal' });
    return this.raw(Uint8Array.from(text, (digit) => digit.charCodeAt(0)));
  }

  /** A base-128 number of protobuf. */
  varint(value: number | bigint, kind: Field['kind'] = 'number'): this {
    const bytes = varintBytes(BigInt(value));
    this.fields.push({ at: this.at, size: bytes.length, kind, coding: 'varint' });
    return this.raw(bytes);
  }

  tag(size: number, value: number | bigint): this {
    return this.number(size, value, 'tag');
  }

  text(bytes: Uint8Array): this {
    if (bytes.length > 0) this.fields.push({ at: this.at, size: bytes.length, kind: 'text' });
    return this.raw(bytes);
  }

  raw(bytes: Uint8Array): this {
    for (const byte of bytes) this.bytes.push(byte);
    return this;
  }

  /** Everything that another writer has written, with its marks. */
  marked({ bytes, fields, records }: Marked): this {
    const shift = this.at;
    for (const field of fields) this.fields.push({ ...field, at: field.at + shift });
    for (const record of records) this.records.push({ ...record, at: record.at + shift });
    return this.raw(bytes);
  }

  /** Marks what `write` writes as a record. */
  record(write: () => void): this {
    const at = this.at;
    write();
    this.records.push({ at, size: this.at - at });
    return this;
  }

  done(): Marked {
    return { bytes: Uint8Array.from(this.bytes), fields: this.fields, records: this.records };
  }
}

/** A base-128 number, in so many bytes at least: seven bits each, lowest first. */
export function varintBytes(value: bigint, size = 1): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  } while (rest > 0n || bytes.length < size);
  bytes[bytes.length - 1] &= 127;
  return Uint8Array.from(bytes);
}
