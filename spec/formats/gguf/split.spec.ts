import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { openGguf } from '../../../src/formats/gguf/open.ts';
import {
  pair,
  type RawGguf,
  smallModel,
  smallPairs,
  smallTensors,
  u32,
} from '../../support/gguf-files.ts';
import { openBytes, valuesOf } from '../../support/gguf-models.ts';
import { type ExpectedRefusal, expectRefusal } from '../../support/refusal.ts';

const split = suite('gguf-split');

/** The small model in parts, after `edit` has had its way with the parts. */
function splitModel(edit: (parts: RawGguf[]) => void = () => {}): Uint8Array[] {
  const all = smallTensors();
  const numbers = (part: number) => [
    pair('split.no', 'uint16', Uint8Array.of(part, 0)),
    pair('split.count', 'uint16', Uint8Array.of(3, 0)),
    pair('split.tensors.count', 'int32', u32(all.length)),
  ];
  const parts: RawGguf[] = [
    { pairs: [...smallPairs(), ...numbers(0)], tensors: all.slice(0, 4) },
    { pairs: numbers(1), tensors: all.slice(4, 11) },
    { pairs: numbers(2), tensors: all.slice(11) },
  ];
  edit(parts);
  return parts.map((part) => smallModel((file) => Object.assign(file, part)));
}

const openParts = (parts: Uint8Array[]) =>
  openGguf(parts.map((bytes, index) => bufferSource(`part-${index + 1}`, bytes)));

split('law: a model in parts is the model in one file', async () => {
  const [whole, split] = [await openBytes(smallModel()), await openParts(splitModel())];
  assert.equal(split.config, whole.config);
  assert.equal(split.vocabulary, whole.vocabulary);
  assert.equal([...split.checkpoint.tensors.keys()], [...whole.checkpoint.tensors.keys()]);
  for (const name of split.checkpoint.tensors.keys()) {
    const plain = name.replace(/\.weight$/, '');
    assert.equal(await valuesOf(split, plain), await valuesOf(whole, plain));
  }
});

split('law: what llama-gguf-split has merged is whole', async () => {
  const whole = await openBytes(smallModel());
  const merged = smallModel((file) => {
    const zero = Uint8Array.of(0, 0);
    file.pairs.push(pair('split.no', 'uint16', zero), pair('split.count', 'uint16', zero));
    file.pairs.push(pair('split.tensors.count', 'int32', u32(smallTensors().length)));
  });
  const read = await openBytes(merged);
  assert.equal(read.config, whole.config);
  assert.equal([...read.checkpoint.tensors.keys()], [...whole.checkpoint.tensors.keys()]);
});

split('error: GG24 parts alone, in the wrong order, of another number, or mixed', async () => {
  const code = 'gguf-split';
  const parts = splitModel();
  const refuseParts = (list: Uint8Array[], expected: Omit<ExpectedRefusal, 'code'>) =>
    expectRefusal(() => openParts(list), { code, ...expected });
  await refuseParts(parts.slice(0, 1), { where: 'split.count', message: 'one of 3 files' });
  await refuseParts(parts.slice(0, 2), { where: 'split.count', message: 'one of 2' });
  const swapped = [parts[0], parts[2], parts[1]];
  await refuseParts(swapped, { where: 'split.no', file: 'part-2', message: 'is file 3' });
  const whole = smallModel();
  await refuseParts([parts[0], whole, parts[2]], { file: 'part-2', message: 'a whole model' });
  const fewer = splitModel(([, , last]) => void last.tensors.pop());
  await refuseParts(fewer, { where: 'split.tensors.count', message: ['21', '20'] });
  const doubled = splitModel(([first, second]) => void second.tensors.push(first.tensors[1]));
  const twice = { code: 'gguf-duplicate', file: 'part-2', message: 'part-1' } as const;
  await expectRefusal(() => openParts(doubled), twice);
});

split.run();
