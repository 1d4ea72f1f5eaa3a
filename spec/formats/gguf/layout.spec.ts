import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { readGgufHeader } from '../../../src/formats/gguf/header.ts';
import { type RawGguf, setPair, uint } from '../../support/gguf-files.ts';
import { damagedHeader, FILE, refuseHeader } from '../../support/gguf-headers.ts';
import { joinBytes } from '../../support/model-files.ts';

const layout = suite('gguf-layout');

layout('law: the alignment of the file moves the data', async () => {
  for (const alignment of [1, 8, 32, 64, 65_536]) {
    const edit = (file: RawGguf) => {
      setPair(file, uint('general.alignment', alignment));
      file.alignment = alignment;
    };
    const { tensors } = await readGgufHeader(bufferSource(FILE, damagedHeader(edit)));
    for (const { byteOffset } of tensors) assert.is(byteOffset % alignment, 0);
    assert.is(tensors[1].byteOffset - tensors[0].byteOffset, Math.ceil(24 / alignment) * alignment);
  }
});

layout('error: GG15 data that does not follow in order', async () => {
  const at = (offset: number | bigint) =>
    damagedHeader((file) => Object.assign(file.tensors[1], { offset }));
  const code = 'gguf-offset';
  const where = 'tensor "u"';
  await refuseHeader(at(24), { code, where, message: 'alignment', expected: 32, found: '24' });
  await refuseHeader(at(0), { code, where, message: 'over another tensor' });
  await refuseHeader(at(64), { code, where, message: 'hole' });
  await refuseHeader(at(2n ** 63n), { code, where, found: String(2n ** 63n) });
  const reversed = damagedHeader(({ tensors: [first, second] }) => {
    first.offset = 96;
    second.offset = 0;
  });
  await refuseHeader(reversed, { code, where: 'tensor "t"' });
});

layout('error: GG17 data cut short; what follows the data is said', async () => {
  const whole = damagedHeader(() => {});
  const cut = whole.slice(0, -1);
  const expected = { code: 'gguf-truncated', where: 'tensor "u"', found: cut.length } as const;
  await refuseHeader(cut, { ...expected, fix: 'cut short' });
  const noticesOf = async (trailing: Uint8Array) => {
    const bytes = joinBytes(whole, trailing);
    return (await readGgufHeader(bufferSource(FILE, bytes))).notices;
  };
  const padding = (32 - (whole.length % 32)) % 32;
  assert.equal(await noticesOf(new Uint8Array(padding)), []);
  assert.match((await noticesOf(new Uint8Array(padding + 5))).join(), /5 bytes after its last/);
});

layout.run();
