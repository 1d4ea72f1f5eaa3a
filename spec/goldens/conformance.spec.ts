/** The conformance vectors: this library meets every one of them, and the comparison with them can
 *  fail. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { problemsOf } from '../support/json-schema.ts';
import { OPERATIONS } from '../support/vector-operations.ts';
import { faultOf, numbersOf, readVectors, vectorUrl } from '../support/vectors.ts';

const spec = suite('conformance vectors');
const files = readVectors();
const schema = JSON.parse(readFileSync(vectorUrl('schema.json'), 'utf8'));
const MAX_BYTES = 5_000_000;

/** Operations that kernels compute; others do not depend on them. */
const ON_KERNELS = ['rope', 'rms-norm', 'w-pack', 'attention', 'silu', 'mlp', 'logits'];

for (const { name, value } of files) {
  const { operation, cases } = value;

  spec(`law: ${name} is by the schema`, () => {
    assert.equal(problemsOf(value, schema), []);
    assert.is(`${operation}.json`, name);
    assert.is(new Set(cases.map((one) => one.name)).size, cases.length);
    for (const { outputs } of cases) {
      for (const { shape, data } of Object.values(outputs)) {
        assert.is(
          data.length,
          shape.reduce((product, size) => product * size, 1),
        );
      }
    }
  });

  for (const kernelSet of ON_KERNELS.includes(operation) ? ['reference', 'wasm'] : ['reference']) {
    spec(`golden: ${cases.length} cases of ${operation} (${kernelSet})`, async () => {
      for (const vector of cases) {
        const found = await OPERATIONS[operation](vector, kernelSet);
        assert.equal(Object.keys(found).sort(), Object.keys(vector.outputs).sort());
        for (const [output, expected] of Object.entries(vector.outputs)) {
          assert.is(faultOf(expected, found[output]), undefined, `${vector.name}, ${output}`);
        }
      }
    });
  }

  spec(`law: an output of ${operation} that is off is told`, () => {
    for (const { outputs } of cases) {
      for (const expected of Object.values(outputs)) {
        const values = Float64Array.from(numbersOf(expected));
        if (values.length === 0) continue;
        assert.is(faultOf(expected, values), undefined);
        const largest = values.reduce(
          (a, b) => (Number.isFinite(b) ? Math.max(a, Math.abs(b)) : a),
          0,
        );
        const step = Math.max(
          1e-30,
          2.1 * expected.tolerance * largest,
          expected.tolerance === 0 ? 1 : 0,
        );
        for (const wrong of [values[0] + step, Number.NaN, Number.POSITIVE_INFINITY]) {
          const changed = values.with(0, Number.isFinite(values[0]) ? wrong : 0);
          assert.type(faultOf(expected, changed), 'string');
        }
        assert.type(faultOf(expected, values.subarray(1)), 'string');
      }
    }
  });
}

spec('law: every operation of the schema has its file', () => {
  const names = schema.properties.operation.enum;
  assert.equal(files.map(({ value }) => value.operation).sort(), [...names].sort());
  assert.equal(Object.keys(OPERATIONS).sort(), [...names].sort());
});

spec('law: the schema refuses what it must', () => {
  const [{ value }] = files;
  const [first] = value.cases;
  for (const wrong of [
    { ...value, format: 'x' },
    { ...value, cases: [] },
    { ...value, more: 1 },
    { ...value, cases: [{ ...first, name: '../x' }] },
    { ...value, cases: [{ ...first, outputs: {} }] },
    { ...value, cases: [{ ...first, outputs: { y: { dtype: 'F32', shape: [1], data: [1] } } }] },
    { ...value, cases: [{ ...first, inputs: { x: { dtype: 'F16', shape: [0], data: [] } } }] },
    { ...value, cases: [{ ...first, inputs: { x: 5 } }] },
  ]) {
    assert.ok(problemsOf(wrong, schema).length > 0);
  }
});

spec('law: the cases that the README promises are there', () => {
  const named = (operation: string) =>
    files.find(({ value }) => value.operation === operation)?.value.cases ?? [];
  assert.ok(named('alibi-slopes').some(({ parameters }) => parameters.heads === 40));
  assert.ok(named('attention').some(({ name }) => name === 'alibi-40-heads-4096'));
  const positions = named('rope-tables').map(({ inputs }) => numbersOf(inputs.position as never));
  for (const list of positions) assert.ok([0, 1, 4095].every((p) => list.includes(p)));
});

spec('law: files are those of the manifest, and no more than 5 MB', () => {
  const { files: listed } = JSON.parse(readFileSync(vectorUrl('manifest.json'), 'utf8'));
  let total = 0;
  for (const [name, { sha256, bytes }] of Object.entries<{ sha256: string; bytes: number }>(
    listed,
  )) {
    const data = readFileSync(vectorUrl(name));
    assert.is(createHash('sha256').update(data).digest('hex'), sha256, name);
    assert.is(data.length, bytes);
    total += bytes;
  }
  for (const { name } of files) assert.ok(name in listed, name);
  assert.ok(total > 1_000_000 && total <= MAX_BYTES, `${total} bytes`);
});

spec.run();
