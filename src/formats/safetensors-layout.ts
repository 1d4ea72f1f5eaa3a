/** Whether the tensors of a safetensors file lie end to end, from the end of the header to the end
 *  of the file. A hole could hide anything; tensors over the same bytes would let a small file fill
 *  the memory; bytes after the last would make the file a second thing to another program. */
import { BaichuanError, type ErrorCode, quote } from '../errors.ts';
import type { TensorEntry } from './safetensors-header.ts';

/** Refuses holes, overlaps, missing and trailing bytes.
 *  @param dataBytes after the header @param dataOffset of the first byte after the header
 *  @throws safetensors-hole, -overlap, -truncated, -trailing */
export function expectNoGaps(
  entries: readonly TensorEntry[],
  dataBytes: number,
  dataOffset: number,
  file: string,
): void {
  const sorted = entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end);
  let expected = 0;
  let previous: TensorEntry | undefined;
  for (const entry of sorted) {
    if (entry.begin !== expected) throw gapError(entry, previous, expected, file);
    expected = entry.end;
    previous = entry;
  }
  if (expected === dataBytes) return;
  throw expected > dataBytes
    ? endError('safetensors-truncated', expected, dataBytes, dataOffset, file)
    : endError('safetensors-trailing', expected, dataBytes, dataOffset, file);
}

function gapError(
  entry: TensorEntry,
  previous: TensorEntry | undefined,
  expected: number,
  file: string,
): BaichuanError {
  const { name, begin } = entry;
  const place = { file, where: `tensor ${quote(name)}, data_offsets`, expected, found: begin };
  const fix = 'Download this file again and compare its sha256.';
  if (begin > expected) {
    const hole = `a hole of ${begin - expected} bytes`;
    const what = `the tensor should begin at ${expected}, but begins at ${begin}: ${hole}.`;
    return new BaichuanError('safetensors-hole', { ...place, what, fix });
  }
  const other = previous === undefined ? 'another tensor' : `tensor ${quote(previous.name)}`;
  const what = `the tensor begins at ${begin}, inside ${other}, which ends at ${expected}.`;
  return new BaichuanError('safetensors-overlap', { ...place, what, fix });
}

function endError(
  code: ErrorCode,
  expected: number,
  found: number,
  dataOffset: number,
  file: string,
): BaichuanError {
  const missing = code === 'safetensors-truncated';
  const fault = missing
    ? `${expected - found} bytes are missing`
    : `${found - expected} bytes too many follow them`;
  return new BaichuanError(code, {
    file,
    where: `byte ${dataOffset + Math.min(expected, found)}`,
    what: `the tensors need ${expected} bytes, the file has ${found} after its header: ${fault}.`,
    fix: missing
      ? 'Download the file again: it seems to have been cut short.'
      : 'Download the file again; nothing may follow the last tensor.',
    expected,
    found,
  });
}
