/** The tensors of a checkpoint against its configuration.
 *
 *  A configuration sizes no allocation: every parameter must be present with the shape that the
 *  configuration demands before the first byte of weights is read. */

import type { BaichuanConfig } from '../config.ts';
import { BaichuanError, quote } from '../errors.ts';
import type { Checkpoint, StoredTensor } from '../formats/checkpoint.ts';
import { isIgnoredTensor, parameterShapes } from '../model/weights.ts';
import { isWeightType } from './weight-formats.ts';

/** How many names a message lists before it only counts them. */
const LISTED = 5;

/** Checks that the checkpoint holds exactly the parameters of the configuration.
 *  @throws model-missing, model-extra, model-shape, model-mix, model-dtype */
export function checkParameters(config: BaichuanConfig, checkpoint: Checkpoint): void {
  const shapes = parameterShapes(config);
  const missing = [...shapes.keys()].filter((name) => !checkpoint.tensors.has(name));
  if (missing.length > 0) throw missingParameters(missing, shapes.size);

  const stored = [...checkpoint.tensors.values()].filter(({ name }) => !isIgnoredTensor(name));
  const extra = stored.filter(({ name }) => !shapes.has(name));
  if (extra.length > 0) throw extraTensors(extra);

  const misshapen = stored.filter(({ name, shape }) => !sameShape(shape, shapes.get(name) ?? []));
  if (misshapen.length > 0) throw wrongShapes(misshapen, stored, shapes);

  const unreadable = stored.find(
    ({ dtype, channelScales }) =>
      !isWeightType(dtype) || (/^I[48]$/.test(dtype) && channelScales === undefined),
  );
  if (unreadable !== undefined) throw unreadableType(unreadable);
}

function sameShape(shape: readonly number[], expected: readonly number[]): boolean {
  return shape.length === expected.length && shape.every((length, i) => length === expected[i]);
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, LISTED).map(quote).join(', ');
  return names.length > LISTED ? `${shown} and ${names.length - LISTED} more` : shown;
}

function missingParameters(missing: readonly string[], total: number): BaichuanError {
  return new BaichuanError('model-missing', {
    where: missing[0],
    what: `${missing.length} of ${total} parameters are not in the checkpoint: ${list(missing)}.`,
    fix: 'Use the config.json that came with these weights, and download every shard.',
    expected: total,
    found: total - missing.length,
  });
}

function extraTensors(extra: readonly StoredTensor[]): BaichuanError {
  const names = extra.map(({ name }) => name);
  return new BaichuanError('model-extra', {
    file: extra[0].file,
    where: quote(names[0]),
    what: `${extra.length} tensors belong to no parameter of this model: ${list(names)}.`,
    fix: 'Use the config.json that came with these weights, and remove tensors of other origin.',
  });
}

/** Shapes that fit in some files and not in others come from two models mixed in one folder. */
function wrongShapes(
  misshapen: readonly StoredTensor[],
  stored: readonly StoredTensor[],
  shapes: ReadonlyMap<string, readonly number[]>,
): BaichuanError {
  const [{ name, file, shape }] = misshapen;
  const wrongFiles = new Set(misshapen.map((tensor) => tensor.file));
  const rightFile = stored.find((tensor) => !wrongFiles.has(tensor.file))?.file;
  const expected = `[${(shapes.get(name) ?? []).join(', ')}]`;
  const found = `[${shape.join(', ')}]`;
  const what = `config.json demands the shape ${expected}, but the file has ${found}`;
  if (rightFile === undefined) {
    const fix = 'Use the config.json that came with these weights.';
    return new BaichuanError('model-shape', {
      file,
      where: name,
      what: `${what}.`,
      fix,
      expected,
      found,
    });
  }
  return new BaichuanError('model-mix', {
    file,
    where: name,
    what: `${what}, while the tensors of ${rightFile} fit: these shards are not of one model.`,
    fix: 'Download all shards of one model into an empty folder.',
    expected,
    found,
  });
}

function unreadableType({ name, file, dtype }: StoredTensor): BaichuanError {
  return new BaichuanError('model-dtype', {
    file,
    where: name,
    what: `Weights of type ${dtype} are not supported; F32, F16 and BF16 are.`,
    fix: 'Convert the checkpoint to one of these types.',
    expected: 'F32, F16 or BF16',
    found: dtype,
  });
}
