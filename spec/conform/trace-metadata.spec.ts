/** What a trace says about its making. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { traceMetadata } from '../../src/conform/trace-metadata.ts';
import type { StoredTensor } from '../../src/formats/checkpoint.ts';
import { GOLDENS } from '../support/goldens.ts';
import { goldenToCompare } from '../support/oracle.ts';

const metadata = suite('trace metadata');

metadata(
  'law: the fingerprint looks into every row and vector, beyond their beginnings',
  async () => {
    const golden = await goldenToCompare({ name: GOLDENS[0].name });
    const weights = [...golden.checkpoint.tensors.values()];
    const fingerprintWith = async (changed?: string, element = 0) => {
      const tensors = new Map(
        weights.map((stored): [string, StoredTensor] => {
          const read = async (start: number, length: number) => {
            const bytes = await stored.read(start, length);
            const at = 4 * element - start;
            if (stored.name === changed && at >= 0 && at < length) bytes[at + 2] ^= 1;
            return bytes;
          };
          return [stored.name, { ...stored, read }];
        }),
      );
      const entries = await traceMetadata(golden.config, { ...golden.checkpoint, tensors }, [5]);
      return entries.get('fingerprint');
    };
    const same = await fingerprintWith();
    assert.is(await fingerprintWith(), same);
    for (const { name, shape, dtype } of weights) {
      assert.is(dtype, 'F32');
      const elements = shape.reduce((a, b) => a * b, 1);
      const [, columns = 1] = shape;
      for (const element of [0, elements - columns, elements - 1]) {
        assert.is.not(await fingerprintWith(name, element), same, `${name}[${element}]`);
      }
    }
  },
);

metadata.run();
