/** Where bytes stop being UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing past
 *  U+10FFFF). TextDecoder only says that they do. Source: The Unicode Standard, table 3-7. */

/** Finds the first byte that does not belong to a well-formed character.
 *  @returns the offset of that character's first byte, or −1 when all bytes are UTF-8 */
export function firstInvalidUtf8(bytes: Uint8Array): number {
  let offset = 0;
  while (offset < bytes.length) {
    if (bytes[offset] < 0x80) {
      offset += 1;
      continue;
    }
    const length = characterLength(bytes, offset);
    if (length === 0) return offset;
    offset += length;
  }
  return -1;
}

/** Bytes of the character of two to four bytes that begins here, or 0 when it is malformed. */
function characterLength(bytes: Uint8Array, offset: number): number {
  const lead = bytes[offset];
  const length = lead < 0xc2 || lead > 0xf4 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length === 0 || offset + length > bytes.length) return 0;
  // The second byte is narrower after E0 and F0 (overlong), ED (surrogates) and F4 (past U+10FFFF).
  const second = bytes[offset + 1];
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let index = 2; index < length; index++) {
    const byte = bytes[offset + index];
    if (byte < 0x80 || byte > 0xbf) return 0;
  }
  return length;
}
