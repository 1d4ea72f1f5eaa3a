import { suite } from 'uvu';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { readGgufHeader } from '../../../src/formats/gguf/header.ts';
import { u8 } from '../../support/gguf-files.ts';
import { damagedHeader, FILE, refuseHeader } from '../../support/gguf-headers.ts';

const infos = suite('gguf-tensor-info');

infos('error: GG11 numbers of axes that are none', async () => {
  for (const axisCount of [0, 5, 2 ** 32 - 1]) {
    const bytes = damagedHeader((file) => Object.assign(file.tensors[0], { axisCount }));
    await refuseHeader(bytes, { code: 'gguf-rank', where: '"t"', found: axisCount });
  }
});

infos('error: GG12 axes of no size, or of more than the file can hold', async () => {
  const code = 'gguf-dim';
  const cases: (number | bigint)[][] = [
    ...[[0], [3, 0], [-1], [2n ** 63n - 1n], [2n ** 63n - 1n, 2], [2 ** 32 + 1]],
    ...[[2 ** 32, 2 ** 32], [2 ** 16, 2 ** 16, 2 ** 16, 2 ** 16], [4000]],
  ];
  for (const axes of cases) {
    const bytes = damagedHeader((file) => Object.assign(file.tensors[0], { axes }));
    await refuseHeader(bytes, { code, where: '"t"' });
  }
  const axes = [5_124_095_576_030_431_008n];
  const wrapped = damagedHeader((file) => Object.assign(file.tensors[0], { axes, type: 2 }));
  await refuseHeader(wrapped, { code, where: '"t"', found: String(axes[0]) });
});

infos('error: GG13 rows that are no whole blocks', async () => {
  for (const [type, columns] of [
    [8, 33],
    [2, 16],
    [12, 128],
  ]) {
    const axes = [columns];
    const bytes = damagedHeader((file) => Object.assign(file.tensors[0], { axes, type }));
    await refuseHeader(bytes, { code: 'gguf-block', where: '"t"', found: columns });
  }
});

infos('error: GG14 types that are removed, unknown or not read', async () => {
  const names = { 4: 'Q4_2', 5: 'Q4_3', 16: 'IQ2_XXS', 31: 'Q4_0_4_4', 38: 'IQ4_NL_8_8', 200: '' };
  for (const [number, name] of Object.entries(names)) {
    const type = Number(number);
    const bytes = damagedHeader((file) => Object.assign(file.tensors[0], { type }));
    const message = [number, name || 'unknown', 'Q6_K'];
    await refuseHeader(bytes, { code: 'gguf-dtype', where: '"t"', message, fix: 'llama-quantize' });
  }
});

infos('error: GG16 names given twice, or that are none', async () => {
  const named = (name: string | Uint8Array) =>
    damagedHeader((file) => Object.assign(file.tensors[1], { name }));
  await refuseHeader(named('t'), { code: 'gguf-duplicate', where: 'tensor "t"' });
  const code = 'gguf-name';
  await refuseHeader(named('n'.repeat(64)), { code, where: 'tensor 1', message: '64 bytes' });
  await refuseHeader(named(''), { code, message: '0 bytes' });
  await refuseHeader(named('a\u0000b'), { code, message: 'not printable' });
  await refuseHeader(named('a\u202eb'), { code, message: 'not printable' });
  await refuseHeader(named(u8(0xff)), { code, message: 'UTF-8' });
  await readGgufHeader(bufferSource(FILE, named('n'.repeat(63))));
});

infos.run();
