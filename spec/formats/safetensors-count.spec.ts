import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expectTensorCount } from '../../src/formats/safetensors-count.ts';
import { openBytes, refuseSafetensors, safetensorsFile, utf8 } from '../support/model-files.ts';

const tensorCount = suite('safetensors-count');

const MAX = 100_000;

/** A header of empty tensors, whose names hold what looks like structure. */
function headerOf(count: number, metadata: string): string {
  const entry = (_: unknown, index: number) =>
    `"t,{[\\"\\\\${index}":{"dtype":"U8","shape":[0,1],"data_offsets":[0,0]}`;
  return `{${metadata}${Array.from({ length: count }, entry).join(',')}}`;
}

const metadata = '"__metadata__":{"a":"x,y","b":"}"},';

tensorCount('law: exactly 100,000 tensors open, with metadata and without', async () => {
  const { tensors } = await openBytes(safetensorsFile(headerOf(MAX, metadata)));
  assert.is(tensors.size, MAX);
  expectTensorCount(utf8(headerOf(MAX, '')), 'file');
});

tensorCount('law: only the metadata of the file itself are no tensor', () => {
  const inner = '"x":{"__metadata__":{}},';
  const text = headerOf(MAX, metadata + inner);
  assert.throws(() => expectTensorCount(utf8(text), 'file'), /lists 100001 tensors/);
});

tensorCount('error: ST26 more than 100,000 tensors, within a second', async () => {
  for (const text of ['', metadata]) {
    const expected = { code: 'safetensors-count', expected: MAX, found: MAX + 1 } as const;
    const bytes = safetensorsFile(headerOf(MAX + 1, text));
    await refuseSafetensors(bytes, { ...expected, where: 'the header', fix: 'Check' });
  }
});

tensorCount.run();
