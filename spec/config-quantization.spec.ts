import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseConfig } from '../src/config.ts';
import { quantizationConfig } from '../src/config-quantization.ts';
import { configText } from './support/checkpoint-files.ts';
import { GOLDENS } from './support/goldens.ts';
import { utf8 } from './support/model-files.ts';
import { expectRefusal } from './support/refusal.ts';

const quantization = suite('config-quantization');

const parse = (value: unknown) =>
  parseConfig(utf8(configText(GOLDENS[0], { quantization_config: value })), {
    file: 'config.json',
  });

quantization('law: what is written is read', () => {
  for (const type of ['int8', 'int4', 'int8-channel', 'int4-channel'] as const) {
    const config = parse(quantizationConfig(type));
    assert.is(config.quantization, type);
    assert.equal(config.notices, parse(null).notices);
  }
  assert.not.ok('quantization' in parse(null));
});

quantization('law: bits and group size are those of the layout', () => {
  const read = (type: 'int4' | 'int8-channel') => {
    const { bits, group_size: size } = quantizationConfig(type);
    return [bits, size];
  };
  assert.equal(
    [read('int4'), read('int8-channel')],
    [
      [4, 32],
      [8, -1],
    ],
  );
});

quantization('error: other quantizations, and fields that contradict the type', async () => {
  const own = quantizationConfig('int4');
  const wrong: [unknown, string][] = [
    ['int4', '/quantization_config'],
    [[], '/quantization_config'],
    [{}, '/quantization_config'],
    [{ quant_method: 'gptq', bits: 4, group_size: 128 }, '/quantization_config'],
    [{ load_in_8bit: true }, '/quantization_config'],
    [{ ...own, version: 2 }, '/quantization_config/version'],
    [{ ...own, type: 'int5' }, '/quantization_config/type'],
    [{ ...own, type: 'toString' }, '/quantization_config/type'],
    [{ ...own, bits: 8 }, '/quantization_config/bits'],
    [{ ...own, group_size: 128 }, '/quantization_config/group_size'],
  ];
  for (const [value, where] of wrong) {
    await expectRefusal(() => parse(value), { code: 'config-unsupported', where });
  }
  const { version: _, ...unversioned } = own;
  await expectRefusal(() => parse(unversioned), { code: 'config-field', where: 'version' });
});

quantization.run();
