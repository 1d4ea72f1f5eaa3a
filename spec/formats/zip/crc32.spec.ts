import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32 } from '../../../src/formats/zip/crc32.ts';
import { utf8 } from '../../support/model-files.ts';
import { checksum } from '../../support/zip-file.ts';

const crc = suite('zip/crc32');

crc('golden: the check values of the catalogue of CRCs', () => {
  assert.is(crc32(utf8('123456789')), 0xcbf43926);
  assert.is(crc32(new Uint8Array(0)), 0);
  assert.is(crc32(new Uint8Array(32)), 0x190a55ad);
  assert.is(crc32(new Uint8Array(32).fill(255)), 0xff6cab0b);
});

crc('law: it is the remainder found bit by bit, in parts or at once', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, at) => {
      const expected = checksum(bytes);
      assert.is(crc32(bytes), expected);
      assert.is(crc32(bytes.subarray(at), crc32(bytes.subarray(0, at))), expected);
    }),
    { seed: 1, numRuns: 300 },
  );
});

crc.run();
