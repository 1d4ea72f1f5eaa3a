import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeRows } from '../../../src/formats/gguf/decode-rows.ts';
import { GGML_TYPES, type GgmlTypeName } from '../../../src/formats/gguf/ggml-types.ts';

const rows = suite('gguf-decode-rows');

type Fixture = Record<string, { blocks: string; values: string }>;
const url = new URL('../../../fixtures/gguf/decoded.json', import.meta.url);
const fixture = JSON.parse(readFileSync(url, 'utf8')) as Fixture;

const bytesOf = (text: string) => Uint8Array.from(atob(text), (unit) => unit.charCodeAt(0));

/** Bit patterns, every NaN as one. */
function patterns(values: Float32Array): number[] {
  const bits = new Uint32Array(values.buffer);
  return Array.from(bits, (pattern, i) => (Number.isNaN(values[i]) ? 0x7fc00000 : pattern));
}

for (const [name, { blocks, values }] of Object.entries(fixture)) {
  rows(`golden: ${name} has the values that numpy computes in float32, bit for bit`, () => {
    const type = name as GgmlTypeName;
    const bytes = bytesOf(blocks);
    const expected = new Float32Array(bytesOf(values).buffer);
    const { blockBytes, blockElements } = GGML_TYPES[type];
    assert.is(expected.length, (bytes.length / blockBytes) * blockElements);
    assert.equal(patterns(decodeRows(type, bytes)), patterns(expected));
    assert.ok(new Set(expected).size > 100, 'the fixture has many values');
  });
}

rows('law: the fixture has every block type', () => {
  const blockTypes = Object.entries(GGML_TYPES).filter(([, type]) => type.blockElements > 1);
  assert.equal(Object.keys(fixture).sort(), blockTypes.map(([name]) => name).sort());
});

rows('law: 16-bit floats keep their bits, NaN payloads included', () => {
  const bytes = new Uint8Array(Uint16Array.of(0x3c00, 0x7c01, 0xfe05, 0x8001).buffer);
  const bits = (type: 'F16' | 'BF16') => [...new Uint32Array(decodeRows(type, bytes).buffer)];
  assert.equal(bits('BF16'), [0x3c000000, 0x7c010000, 0xfe050000, 0x80010000]);
  assert.equal(bits('F16'), [0x3f800000, 0x7f802000, 0xffc0a000, 0xb3800000]);
  const words = new Uint8Array(Uint32Array.of(0x7f800001, 1).buffer);
  assert.equal([...new Uint32Array(decodeRows('F32', words).buffer)], [0x7f800001, 1]);
});

rows.run();
