/** Targets with faults that a campaign must find: for the specs of the fuzzer itself. */
import fc from 'fast-check';
import { BaichuanError } from '../../../src/errors.ts';
import type { FuzzTarget } from './target.ts';
import type { FuzzRow } from './targets.ts';

const cases = fc.uint8Array({ minLength: 1, maxLength: 20 });

function refusal(what: string): BaichuanError {
  return new BaichuanError('io-magic', { file: 'x', what, fix: 'Take another file.' });
}

/** Reads every file but those with a byte above 199. */
const sound: FuzzTarget = {
  name: 'sound',
  cases,
  async open(bytes) {
    if (bytes.some((byte) => byte > 199)) throw refusal('a byte is too large.');
    return bytes.length;
  },
};

function broken(name: string, change: Partial<FuzzTarget>): FuzzTarget {
  return { ...sound, name, ...change };
}

const TARGETS = [
  sound,
  broken('other-error', {
    async open(bytes) {
      if (bytes[0] > 99) throw new RangeError('Invalid array length');
    },
  }),
  broken('other-in-blocks', {
    async open(bytes, blockBytes) {
      if (bytes[0] > 99) throw refusal(`${blockBytes ?? 'no'} blocks.`);
    },
  }),
  broken('no-remedy', {
    async open() {
      throw new BaichuanError('io-magic', { file: 'x', what: 'a fault.', fix: '' });
    },
  }),
  broken('writes', {
    async open(bytes) {
      bytes.fill(0);
    },
  }),
  broken('read-otherwise', {
    async expectSame(bytes) {
      if (bytes.length > 3) throw new Error('I7: another reader differs');
    },
  }),
];

export const FUZZ_TARGETS: readonly FuzzRow[] = TARGETS.map((target) => {
  return { group: 'text', target, cases: 300, accepted: 1, codes: 1 };
});
