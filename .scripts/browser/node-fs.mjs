/** `readFileSync` of `node:fs` for a page: fixtures are fetched from the server of the checkout.
 *  A synchronous request is what keeps the specs the same in every runtime. */

/** @param {URL | string} url below the checkout @param {string} [encoding]
 *  @returns {Uint8Array | string} */
export function readFileSync(url, encoding) {
  const request = new XMLHttpRequest();
  request.open('GET', String(url), false);
  // Bytes come through text of one unit a byte: a synchronous request gives no buffer.
  request.overrideMimeType('text/plain; charset=x-user-defined');
  request.send();
  if (request.status !== 200) throw new Error(`${url}: ${request.status}`);
  const text = request.responseText;
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i) % 256;
  return encoding === undefined ? bytes : new TextDecoder(encoding).decode(bytes);
}
