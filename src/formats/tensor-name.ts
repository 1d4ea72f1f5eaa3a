/** What a tensor of a checkpoint may be called, whatever the format. */

/** The longest name that is read, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 512;

/** What is wrong with a name: that it is empty, too long, not printable, or that a careless program
 *  could take it for a path out of its folder.
 *  @returns a phrase to follow the name, or undefined when it is fine */
export function tensorNameFault(name: string): string | undefined {
  const bytes = new TextEncoder().encode(name).length;
  if (bytes === 0) return 'is empty';
  if (bytes > MAX_NAME_BYTES) return `has ${bytes} bytes, more than ${MAX_NAME_BYTES}`;
  if (/\p{Cs}/u.test(name)) return 'holds half a surrogate pair';
  if (/\p{Cc}/u.test(name)) return 'holds a control character';
  if (/[\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) return 'holds a character that is not printable';
  if (/^[\\/]|^[A-Za-z]:[\\/]|(^|[\\/])\.\.?([\\/]|$)/.test(name)) return 'is a path';
  return undefined;
}
