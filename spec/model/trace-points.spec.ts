/** The table of trace points against what the model really shows. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  compareTracePlaces,
  type TracePlace,
  traceInputs,
  traceName,
  tracePlace,
  tracePoint,
} from '../../src/model/trace-points.ts';
import { GOLDEN_RUNNERS } from '../support/goldens.ts';

const points = suite('trace points');

for (const { title, golden, runner } of GOLDEN_RUNNERS) {
  const names = ['input_ids'];
  const shapes = new Map<string, readonly number[]>([['input_ids', [3]]]);
  runner.run([{ sequence: runner.kvCache.open(), ids: [5, 7, 9] }], (name, { shape }) => {
    names.push(name);
    shapes.set(name, shape);
  });
  const places = names.map((name) => tracePlace(name) as TracePlace);

  points(`law: every name of the model has its point, in the order of execution (${title})`, () => {
    names.forEach((name, i) => {
      assert.ok(places[i] !== undefined, name);
      assert.is(traceName(places[i].kind, places[i].layer), name);
    });
    const sorted = [...places].sort(compareTracePlaces);
    assert.equal(
      sorted.map(({ kind, layer }) => traceName(kind, layer)),
      names,
    );
  });

  points(`law: a point is computed from earlier ones that the model shows (${title})`, () => {
    const { position, numHiddenLayers } = golden.config;
    for (const [i, place] of places.entries()) {
      for (const input of traceInputs(place, position, numHiddenLayers)) {
        const at = names.indexOf(traceName(input.kind, input.layer));
        assert.ok(at >= 0 && at < i, `${names[i]} from ${input.kind} ${input.layer}`);
      }
    }
  });

  points(`law: a point has as many axes as the table says (${title})`, () => {
    for (const [i, { kind }] of places.entries()) {
      assert.is(shapes.get(names[i])?.length, tracePoint(kind).axes.length, names[i]);
    }
  });
}

points('law: other names mean no point', () => {
  for (const name of ['model.layers.x.output', 'model.layers.0.logits', 'output', '', 'scores']) {
    assert.is(tracePlace(name), undefined, name);
  }
});

points.run();
