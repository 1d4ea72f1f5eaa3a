import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { firstInvalidUtf8 } from '../src/utf-8.ts';

const utf8 = suite('utf-8');

function decodes(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

utf8('law: bytes are UTF-8 exactly when the strict TextDecoder takes them', () => {
  const lead = fc.constantFrom(0x41, 0x80, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff);
  const tail = fc.constantFrom(0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0);
  const unit = fc.tuple(lead, fc.array(tail, { maxLength: 4 })).map(([a, b]) => [a, ...b]);
  const bytes = fc.array(unit, { maxLength: 6 }).map((units) => Uint8Array.from(units.flat()));
  fc.assert(
    fc.property(bytes, (sample) => {
      assert.is(firstInvalidUtf8(sample) === -1, decodes(sample));
    }),
    { seed: 1, numRuns: 5000 },
  );
});

utf8('law: every code point that UTF-8 can hold is accepted, alone and at the end', () => {
  for (let code = 0; code < 0x110000; code += code < 0x3000 ? 1 : 251) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const bytes = new TextEncoder().encode(`a${String.fromCodePoint(code)}`);
    assert.is(firstInvalidUtf8(bytes), -1);
    if (bytes.length > 2) assert.is(firstInvalidUtf8(bytes.subarray(0, -1)), 1);
  }
});

utf8('law: the offset is that of the first byte of the first malformed character', () => {
  const before = new TextEncoder().encode('Hello 世界 😀');
  for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe4]]) {
    const bytes = Uint8Array.from([...before, ...bad, 0x41]);
    assert.is(firstInvalidUtf8(bytes), before.length);
  }
});

utf8.run();
