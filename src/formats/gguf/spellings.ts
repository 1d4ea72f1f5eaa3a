/** Many short texts in one buffer, so that a vocabulary costs its bytes and two numbers a piece. */

/** Texts by number: bytes `starts[i]` to `ends[i]` of `bytes`, which need not be valid UTF-8. */
export interface Spellings {
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/** Gathers texts. */
export function spellingsOf(texts: readonly (string | Uint8Array)[]): Spellings {
  const encoder = new TextEncoder();
  const parts = texts.map((text) => (typeof text === 'string' ? encoder.encode(text) : text));
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  const starts = new Int32Array(parts.length);
  const ends = new Int32Array(parts.length);
  let end = 0;
  parts.forEach((part, index) => {
    bytes.set(part, end);
    starts[index] = end;
    end += part.length;
    ends[index] = end;
  });
  return { count: parts.length, bytes, starts, ends };
}
