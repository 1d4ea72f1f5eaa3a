/** The limits of the machine while the contestants run, and what of them a model could use. */

import { type Summary, summarize } from '../support/statistics.ts';
import type { SyntheticModel } from '../support/synthetic-model.ts';
import { bundleChild } from './bundle.ts';
import { nodeBinary } from './install.ts';
import { startProcess } from './process.ts';

/** 10⁹ bytes, or multiplications with their addition, per second. */
export interface Limits {
  readonly readOneThread: Summary;
  /** Both together. */
  readonly readTwoThreads: Summary;
  readonly relaxedDots: Summary;
  readonly baselineDots: Summary;
}

/** Measures now and again. */
export interface LimitsMeter {
  measure(): Promise<void>;
  limits(): Limits;
  close(): Promise<void>;
}

const SPAN_MS = 300;

/** Starts two processes that wait for their turn. */
export async function startLimits(): Promise<LimitsMeter> {
  const program = { file: await bundleChild('limits.child.ts'), execPath: nodeBinary('node-24') };
  const [call, other] = [startProcess(program), startProcess(program)];
  const seen: Record<keyof Limits, number[]> = {
    readOneThread: [],
    readTwoThreads: [],
    relaxedDots: [],
    baselineDots: [],
  };
  return {
    async measure() {
      seen.readOneThread.push(Number(await call('bandwidth', SPAN_MS)));
      const both = [call, other].map((child) => child('bandwidth', SPAN_MS));
      const [one, two] = await Promise.all(both);
      seen.readTwoThreads.push(Number(one) + Number(two));
      for (const isRelaxed of [true, false]) {
        const rates = isRelaxed ? seen.relaxedDots : seen.baselineDots;
        rates.push(Number(await call('dots', { isRelaxed, spanMs: SPAN_MS })));
      }
    },
    limits: () => ({
      readOneThread: summarize(seen.readOneThread),
      readTwoThreads: summarize(seen.readTwoThreads),
      relaxedDots: summarize(seen.relaxedDots),
      baselineDots: summarize(seen.baselineDots),
    }),
    close: async () => {
      await Promise.all([call('exit'), other('exit')]);
    },
  };
}

/** What one new token reads and multiplies with int4 weights: groups of 32 with a float16 scale,
 *  the head in int8 the same way. The embedding is one row. */
export interface TokenCost {
  readonly weightBytes: number;
  /** Keys and values in int8 with a float32 scale per head and position. */
  readonly cacheBytesPerPosition: number;
  /** Multiplications of the layers; those of the head are asked for once a prompt. */
  readonly products: number;
}

const GROUP = 32;
const [INT4_GROUP_BYTES, INT8_GROUP_BYTES, FLOAT32_BYTES] = [18, 34, 4];

/** Counts them from the shapes of the parameters. */
export function tokenCost({ tensors, config }: SyntheticModel): TokenCost {
  const [, ...read] = tensors;
  const head = read[read.length - 1];
  let [weightBytes, products] = [0, 0];
  for (const tensor of read) {
    const [rows, columns] = tensor.shape;
    if (columns === undefined) {
      weightBytes += FLOAT32_BYTES * rows;
      continue;
    }
    const bytes = tensor === head ? INT8_GROUP_BYTES : INT4_GROUP_BYTES;
    weightBytes += rows * Math.ceil(columns / GROUP) * bytes;
    if (tensor !== head) products += rows * columns;
  }
  const { numHiddenLayers, hiddenSize, numAttentionHeads } = config;
  const perLayer = 2 * (hiddenSize + FLOAT32_BYTES * numAttentionHeads);
  return { weightBytes, products, cacheBytesPerPosition: numHiddenLayers * perLayer };
}
