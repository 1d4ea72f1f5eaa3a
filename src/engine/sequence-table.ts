/** The caller's side of the sequences of an engine that lives in another thread: their lengths are
 *  known here, so that callers are answered at once, and every change is told to the engine. */

import { expectWithin, sequenceClosed } from '../layers/kv-cache.ts';
import type { PassPart, Sequences } from './engine.ts';
import type { Change } from './protocol.ts';

export interface SequenceTable {
  readonly sequences: Sequences;
  /** Counts the ids of a pass that the engine has committed. */
  grow(parts: readonly PassPart[]): void;
}

/** An empty table. @param tell takes every change, in order */
export function createSequenceTable(tell: (change: Change) => void): SequenceTable {
  const lengths = new Map<number, number>();
  let last = 0;
  const lengthOf = (sequence: number): number => {
    const length = lengths.get(sequence);
    if (length === undefined) throw sequenceClosed(sequence);
    return length;
  };
  const sequences: Sequences = {
    open() {
      const sequence = last++;
      lengths.set(sequence, 0);
      tell({ method: 'open', sequence });
      return sequence;
    },
    fork(source, length = lengthOf(source)) {
      expectWithin(length, lengthOf(source));
      const sequence = last++;
      lengths.set(sequence, length);
      tell({ method: 'fork', sequence, source, length });
      return sequence;
    },
    rollback(sequence, length) {
      expectWithin(length, lengthOf(sequence));
      lengths.set(sequence, length);
      tell({ method: 'rollback', sequence, length });
    },
    close(sequence) {
      if (lengths.delete(sequence)) tell({ method: 'close', sequence });
    },
    length: lengthOf,
  };
  return {
    sequences,
    grow(parts) {
      for (const { sequence, ids } of parts) {
        const length = lengths.get(sequence);
        if (length !== undefined) lengths.set(sequence, length + ids.length);
      }
    },
  };
}
