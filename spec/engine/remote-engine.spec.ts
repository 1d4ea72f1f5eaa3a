/** The engine in workers: bits, faults, stops, and memory that comes back. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EngineOptions } from '../../src/engine/engine-options.ts';
import { load } from '../../src/engine/load.ts';
import { kernelsBinary } from '../../src/kernels/wasm/module.ts';
import { chooseSimd } from '../../src/kernels/wasm/simd.ts';
import {
  type StartThread,
  startThread,
  type Thread,
  type ThreadEvents,
} from '../../src/platform/threads.ts';
import { startFilledEngine } from '../support/filled-engine.ts';
import { GOLDENS } from '../support/goldens.ts';
import { hangingEngine } from '../support/hanging-worker.ts';
import { type SyntheticShape, syntheticFolder } from '../support/synthetic-model.ts';

const engine = suite('threads');

/** Large enough that every linear layer is shared out, odd enough that nothing divides. */
const SHAPE: SyntheticShape = {
  position: 'alibi',
  vocabSize: 1003,
  hiddenSize: 360,
  intermediateSize: 968,
  numHiddenLayers: 3,
  numAttentionHeads: 5,
};
const FOLDER = syntheticFolder(SHAPE);
const IDS = Array.from({ length: 83 }, (_, i) => (i * 7919 + 13) % SHAPE.vocabSize);

async function logits(options: EngineOptions, folder = FOLDER): Promise<Float32Array> {
  await using model = await load(folder, options);
  return (await model.forward(IDS)).data;
}

for (const quantize of ['none', 'int8', 'int4', 'int8-channel', 'int4-channel'] as const) {
  engine(`law: 1, 2 and 4 threads give the same bits (${quantize})`, async () => {
    const alone = await logits({ quantize, threads: 1 });
    assert.ok(alone.every(Number.isFinite));
    for (const threads of [2, 4]) {
      assert.equal(await logits({ quantize, threads }), alone, `${threads} threads`);
    }
  });
}

engine(
  'law: whether the pool packs the weights or the engine alone, the bits are the same',
  async () => {
    for (const quantize of ['none', 'int8', 'int4', 'int8-channel', 'int4-channel'] as const) {
      const all: Float32Array[] = [];
      for (const [threads, packsTogether] of [
        [1, false],
        [3, false],
        [3, true],
      ] as const) {
        const filled = await startFilledEngine(FOLDER, { threads, packsTogether, quantize });
        const sequence = filled.open();
        all.push((await filled.run([{ sequence, ids: IDS }], { logits: 'last' })).logits);
        await filled.dispose();
      }
      assert.ok(all[0].length > 0 && all[0].every(Number.isFinite));
      assert.equal(all[1], all[0], `${quantize}, alone`);
      assert.equal(all[2], all[0], `${quantize}, together`);
    }
  },
);

engine('law: rotary models give the same bits in any number of threads', async () => {
  const rotary = syntheticFolder({ ...SHAPE, position: 'rope' });
  const alone = await logits({ quantize: 'int4', threads: 1 }, rotary);
  assert.equal(await logits({ quantize: 'int4', threads: 3 }, rotary), alone);
  assert.not.equal(alone, await logits({ quantize: 'int4', threads: 1 }));
});

const sleep = (durationMs: number) => new Promise((resolve) => setTimeout(resolve, durationMs));

/** What a promise was rejected with, or undefined. */
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (reason) => reason,
  );

/** Starts threads as usual and keeps hold of them: the engine worker is the first. */
function watchedThreads() {
  const threads: Thread[] = [];
  const start: StartThread = async (source, events) => {
    const thread = await startThread(source, events);
    const index = threads.length;
    // Ending a thread from outside must look like its death.
    const kill = async () => {
      await thread.terminate();
      events.onEnd('it was killed');
    };
    threads[index] = { ...thread, terminate: kill };
    return thread;
  };
  return { threads, start };
}

engine('law: a worker that dies fails at most its pass, and is replaced', async () => {
  const { threads, start } = watchedThreads();
  await using model = await load(FOLDER, { threads: 3, startThread: start });
  const { data: expected } = await model.forward(IDS);
  for (let round = 0; round < 4; round++) {
    const running = model.forward(IDS);
    await sleep(3 * round);
    await threads[threads.length - 1 - (round % 2)].terminate();
    const failure = await failureOf(running);
    if (failure !== undefined) assert.is(failure.code, 'worker-failed', String(failure));
    assert.equal((await model.forward(IDS)).data, expected, `round ${round}`);
  }
  assert.ok(threads.length >= 5, `${threads.length} threads were started`);
});

engine('error: where a worker cannot be started, none of the others stays', async () => {
  for (const failing of [0, 1, 3]) {
    const running = new Set<number>();
    let count = 0;
    const start: StartThread = async (source, events) => {
      const index = count++;
      if (index === failing) throw new Error('EAGAIN');
      const thread = await startThread(source, events);
      running.add(index);
      const terminate = () => thread.terminate().then(() => void running.delete(index));
      return { ...thread, terminate };
    };
    const error = await failureOf(load(FOLDER, { threads: 4, startThread: start }));
    assert.is(error?.code, 'worker-lost', String(error));
    assert.match(error?.message, /threads: A worker could not be started: EAGAIN\. Use fewer/);
    assert.equal([count, [...running]], [failing + 1, []]);
  }
});

engine('error: with the engine worker the model is lost, clearly and for good', async () => {
  const ended = new Set<number>();
  const threads: { events: ThreadEvents }[] = [];
  const start: StartThread = async (source, events) => {
    const thread = await startThread(source, events);
    const index = threads.push({ events }) - 1;
    return { ...thread, terminate: () => thread.terminate().then(() => void ended.add(index)) };
  };
  const model = await load(FOLDER, { threads: 3, startThread: start });
  const running = model.forward(IDS);
  // As in browsers: an error is reported of a worker that goes on.
  threads[0].events.onEnd('out of memory');
  for (const promise of [running, model.forward(IDS)]) {
    const error = await failureOf(promise);
    assert.is(error?.code, 'worker-lost');
    assert.match(error?.message, /Load the model again/);
  }
  for (let round = 0; round < 100 && ended.size < 3; round++) await sleep(100);
  assert.equal([...ended].sort(), [0, 1, 2], 'its memory and its pool are gone before close()');
  assert.is(threads.length, 3);
  await model.close();
});

engine('law: a stop ends a prompt within a moment and changes nothing', async () => {
  for (const threads of [1, 2]) {
    await using model = await load(FOLDER, { threads });
    const sequence = model.openSequence();
    await sequence.append(IDS);
    const expected = await sequence.fork().append([5]);
    const long = Array.from({ length: 4000 }, (_, i) => i % SHAPE.vocabSize);
    const stop = async () => {
      const controller = new AbortController();
      const running = failureOf(sequence.append(long, { signal: controller.signal }));
      await sleep(30);
      const begin = performance.now();
      controller.abort(new Error('enough'));
      const error = await running;
      assert.is(error?.code, 'aborted');
      assert.match(String(error?.cause), /enough/);
      assert.is(sequence.length, IDS.length);
      return performance.now() - begin;
    };
    // Neighbours on the machine may hold up some rounds, but not every one.
    let durationMs = await stop();
    for (let round = 0; round < 5 && durationMs >= 1000; round++) durationMs = await stop();
    assert.ok(durationMs < 1000);
    assert.equal(await sequence.append([5]), expected);
  }
});

engine('law: a worker that hangs is replaced, after a stop at once', async () => {
  const expected = (await logits({ threads: 1 })).slice(-SHAPE.vocabSize);
  for (const stops of [true, false]) {
    const controller = new AbortController();
    const patience = { progressMs: stops ? 20_000 : 300, settleMs: 50 };
    const hanging = await hangingEngine(FOLDER, IDS, patience, () => stops && controller.abort());
    try {
      const begin = performance.now();
      let error = await failureOf(hanging.run(controller.signal));
      // The worker may come too late for a pass.
      for (let pass = 0; pass < 50 && error === undefined; pass++) {
        error = await failureOf(hanging.run(controller.signal));
      }
      assert.is(error?.code, stops ? 'aborted' : 'worker-lost', String(error));
      assert.equal((await hanging.run()).logits, expected);
      assert.ok(performance.now() - begin < 15_000, `stops: ${stops}`);
      assert.is(hanging.threads.length, 5, 'the engine, two workers, two in their place');
    } finally {
      await hanging.dispose();
    }
  }
});

engine('law: closing a model rejects what it has not answered', async () => {
  const model = await load(FOLDER, { threads: 2 });
  const failure = failureOf(model.forward(IDS));
  await model.close();
  assert.is((await failure)?.code, 'model-closed');
});

engine('error: a kernel module of other bytes is refused before anything is read', async () => {
  const folder = new URL(`../../fixtures/goldens/${GOLDENS[0].name}/`, import.meta.url);
  const error = await failureOf(load(folder, { wasm: () => new Uint8Array([0, 97, 115, 109, 9]) }));
  assert.is(error?.code, 'option-value');
  assert.is(error?.where, 'wasm');
});

engine('error: a kernel module of another build, of other kernels, or none at all', async () => {
  const empty = () => new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
  const swapped: EngineOptions['wasm'] = ({ simd, shared }) =>
    kernelsBinary({ simd, shared: !shared });
  const baseline: EngineOptions['wasm'] = ({ shared }) =>
    kernelsBinary({ simd: 'baseline', shared });
  const failing = () => Promise.reject(new Error('no network'));
  const bytes = empty() as unknown as EngineOptions['wasm'];
  const wrong: [EngineOptions, RegExp][] = [
    [{ wasm: empty }, /it has no matmulF32/],
    [{ wasm: failing }, /the function that gives it fails/],
    [{ wasm: bytes }, /no function/],
  ];
  for (const threads of [1, 2]) wrong.push([{ wasm: swapped, threads }, /another memory/]);
  if (chooseSimd() === 'relaxed') {
    wrong.push([{ wasm: baseline, simd: 'relaxed' }, /another build/]);
  }
  for (const [options, message] of wrong) {
    const error = await failureOf(load(FOLDER, options));
    assert.is(error?.code, 'option-value', String(error));
    assert.is(error?.where, 'wasm');
    assert.match(error?.message, message);
  }
});

engine('law: a kernel module of the right build computes the same', async () => {
  await using model = await load(FOLDER, { wasm: (build) => kernelsBinary(build) });
  await using expected = await load(FOLDER);
  assert.equal(await model.forward(IDS), await expected.forward(IDS));
});

engine('law: an option that has no effect is told', async () => {
  for (const [options, pattern] of [
    [{ activations: 'fast' }, /Activations stay exact/],
    [{ kernels: 'reference', simd: 'baseline' }, /use no WebAssembly/],
  ] as const) {
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    await using model = await load(FOLDER, { ...options, onNotice });
    assert.match(notices.join(), pattern);
    assert.is(model.activations, 'exact');
  }
});

engine('law: ids in a typed array give the same as in a list', async () => {
  await using model = await load(FOLDER);
  const expected = await model.forward(IDS);
  for (const ids of [Int32Array.from(IDS), Uint16Array.from(IDS)]) {
    assert.equal(await model.forward(ids as unknown as number[]), expected);
  }
});

engine('error: options are checked before files are opened', async () => {
  for (const [options, where] of [
    [{ threads: 0 }, 'threads'],
    [{ threads: 1.5 }, 'threads'],
    [{ threads: 65 }, 'threads'],
    [{ quantize: 'int5' }, 'quantize'],
    [{ kernels: 'cuda' }, 'kernels'],
    [{ activations: 'slow' }, 'activations'],
    [{ simd: 'avx' }, 'simd'],
    [{ kvCache: 'f16' }, 'kvCache'],
  ] as const) {
    const wrong: Record<string, unknown> = options;
    const error = await failureOf(load('/nowhere', wrong));
    assert.is(error?.code, 'option-value', JSON.stringify(options));
    assert.is(error?.where, where);
  }
});

engine.run();
