import { GOLDENS, idsOf } from './support/goldens.ts';
import { memoryTrace, goldenMetadata } from './support/traces.ts';
import { goldenModel, recordModel } from './support/oracle.ts';
import { compareTraces } from '../src/conform/compare-traces.ts';
import { judgeLocally } from '../src/conform/diagnose.ts';
import { replayModel } from '../src/conform/replay-model.ts';
import { KNOWN_BUGS } from '../src/conform/gallery/index.ts';
console.log(KNOWN_BUGS.length, 'bugs');
for (const golden of GOLDENS.slice(0, Number(process.argv[2] ?? 4))) {
  const model = await goldenModel(golden);
  const ids = idsOf(golden.float32.get('input_ids'), 0);
  const expected = await memoryTrace(await recordModel(model, ids), goldenMetadata(golden));
  let [detected, named, namedReplay, n] = [0, 0, 0, 0];
  const t0 = performance.now();
  for (const bug of KNOWN_BUGS) {
    if (bug.position && bug.position !== model.config.position) continue;
    n++;
    const found = await memoryTrace(await recordModel(model, ids, (s) => bug.change(s)));
    const cmp = await compareTraces(expected, found);
    const local = await judgeLocally(model, found, ids, { arithmetic: 'f32' });
    const replay = await judgeLocally(replayModel(model.config, expected, cmp.tensors), found, ids, { arithmetic: 'f32' });
    const det = !cmp.pass || local.verdicts.some(v => v.status === 'beyond');
    detected += +det; const ok = local.diagnosis[0]?.name === bug.name; named += +ok; const okr = replay.diagnosis[0]?.name === bug.name; namedReplay += +okr;
    if (!det || !ok || !okr || cmp.pass) console.log(golden.name, bug.name, 'cmp', cmp.pass ? 'PASS' : cmp.first?.name, 'local', local.verdicts.find(v => v.status === 'beyond')?.name, local.diagnosis.slice(0, 2).map(d => d.name + ' ' + d.likeness.toFixed(4)).join(), '| replay', replay.diagnosis.slice(0, 2).map(d => d.name + ' ' + d.likeness.toFixed(3)).join());
  }
  console.log(golden.name, { n, detected, named, namedReplay, ms: performance.now() - t0 });
}
