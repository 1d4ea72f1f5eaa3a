import { suite } from 'uvu';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { readGgufHeader } from '../../../src/formats/gguf/header.ts';
import { array, ggufFile, pair, text, u8, u32, u64, VALUE } from '../../support/gguf-files.ts';
import { damagedHeader, FILE, refuseHeader } from '../../support/gguf-headers.ts';
import { joinBytes, utf8 } from '../../support/model-files.ts';

const values = suite('gguf-read-value');

values('error: GG05 keys that are none', async () => {
  const withKey = (key: Uint8Array) =>
    damagedHeader((file) => file.pairs.unshift({ key, type: 4, value: u32(1) }));
  const code = 'gguf-key';
  await refuseHeader(withKey(u8()), { code, where: 'byte 24', message: '0 bytes' });
  await refuseHeader(withKey(new Uint8Array(65_537).fill(97)), { code, message: '65537' });
  await refuseHeader(withKey(u8(97, 0xc3, 0x28)), { code, where: 'byte 33', message: 'UTF-8' });
  const endless = withKey(utf8('abcdefgh'));
  endless.set(u64(2n ** 63n), 24);
  await refuseHeader(endless, { code, where: 'byte 24', message: String(2n ** 63n) });
  endless.set(u64(60_000), 24);
  await refuseHeader(endless, { code: 'gguf-truncated', where: 'a key' });
});

values('error: GG07 types that are none, and arrays of arrays', async () => {
  const code = 'gguf-type';
  for (const type of [13, 255, 2 ** 32 - 1]) {
    const bytes = damagedHeader((file) => file.pairs.push({ key: 'k', type, value: u32(0) }));
    await refuseHeader(bytes, { code, where: '"k"', message: String(type) });
    const value = joinBytes(u32(type), u64(1), u32(0));
    const items = damagedHeader((file) => file.pairs.push(pair('k', 'array', value)));
    await refuseHeader(items, { code, where: '"k"', message: String(type) });
  }
  const nested = joinBytes(u32(VALUE.array), u64(1), u32(4), u64(0));
  const bytes = damagedHeader((file) => file.pairs.push(pair('k', 'array', nested)));
  await refuseHeader(bytes, { code, where: '"k"', message: 'array of arrays' });
});

values('error: GG08 arrays longer than the file', async () => {
  for (const length of [2n ** 63n, 2n ** 32n, 4n * 2n ** 20n + 1n, 1_000_000n]) {
    for (const type of [0, 5, 8]) {
      const value = joinBytes(u32(type), u64(length));
      const bytes = damagedHeader((file) => file.pairs.push(pair('k', 'array', value)));
      const message = ['bytes left', String(length)];
      await refuseHeader(bytes, { code: 'gguf-array', where: '"k"', message });
    }
  }
  const value = (length: number) => joinBytes(u32(0), u64(length), new Uint8Array(5));
  const ending = (length: number) =>
    ggufFile({ pairs: [pair('k', 'array', value(length))], tensors: [], alignment: 1 });
  await readGgufHeader(bufferSource(FILE, ending(5)));
  await refuseHeader(ending(6), { code: 'gguf-array', where: '"k"', message: '5 bytes left' });
});

values('error: GG09 a truth value that is neither 0 nor 1', async () => {
  const bytes = damagedHeader((file) => file.pairs.push(pair('k', 'bool', u8(2))));
  await refuseHeader(bytes, { code: 'gguf-bool', where: '"k"', message: 'byte 2' });
  const items = damagedHeader((file) => file.pairs.push(array('k', 'bool', [u8(1), u8(255)])));
  await refuseHeader(items, { code: 'gguf-bool', where: '"k"', message: 'byte 255' });
});

values('error: texts that are no UTF-8 or too long', async () => {
  const code = 'gguf-text';
  const broken = damagedHeader((file) => file.pairs.push(pair('k', 'string', text(u8(97, 0xff)))));
  await refuseHeader(broken, { code, where: '"k"', message: 'UTF-8' });
  const long = joinBytes(u64(2 ** 20 + 1), new Uint8Array(100));
  const bytes = damagedHeader((file) => file.pairs.push(pair('k', 'string', long)));
  await refuseHeader(bytes, { code, where: '"k"', message: '1048577' });
  const item = damagedHeader((file) => file.pairs.push(array('k', 'string', [u64(2n ** 63n)])));
  await refuseHeader(item, { code, where: '"k"', message: String(2n ** 63n) });
});

values.run();
