/** Where the tensors of a GGUF file lie: one after the other in the order of the header, each at a
 *  multiple of the alignment. A hole could hide anything; tensors over the same bytes would let a
 *  small file fill the memory. Source: ggml/src/gguf.cpp, which refuses the same. */
import { BaichuanError, type ErrorCode, quote } from '../../errors.ts';
import type { TensorInfo } from './tensor-info.ts';

/** A tensor and its place in the file. */
export interface PlacedTensor extends TensorInfo {
  /** Of its first byte in the file. */
  readonly byteOffset: number;
}

/** Gives every tensor its place.
 *  @param headerEnd bytes of the header without padding
 *  @throws gguf-offset, gguf-truncated */
export function layOut(
  infos: readonly TensorInfo[],
  headerEnd: number,
  alignment: number,
  { name: file, size }: { readonly name: string; readonly size: number },
): { tensors: PlacedTensor[]; notices: string[] } {
  const align = (offset: number) => Math.ceil(offset / alignment) * alignment;
  const start = align(headerEnd);
  const tensors: PlacedTensor[] = [];
  let next = 0;
  let end = headerEnd;
  for (const info of infos) {
    if (info.dataOffset !== BigInt(next)) throw offsetError(info, next, alignment, file);
    const byteOffset = start + next;
    end = byteOffset + info.byteLength;
    if (end > size) throw truncatedError(info, end, { name: file, size });
    tensors.push({ ...info, byteOffset });
    next = align(next + info.byteLength);
  }
  const trailing = size - align(end);
  const notices =
    trailing > 0 ? [`${file} has ${trailing} bytes after its last tensor, which are ignored.`] : [];
  return { tensors, notices };
}

function offsetError(
  { name, dataOffset, infoOffset }: TensorInfo,
  expected: number,
  alignment: number,
  file: string,
): BaichuanError {
  const code: ErrorCode = 'gguf-offset';
  const isAligned = dataOffset % BigInt(alignment) === 0n;
  const fault = isAligned
    ? `it ${dataOffset > expected ? 'leaves a hole' : 'lies over another tensor'}`
    : `that is no multiple of the alignment ${alignment}`;
  return new BaichuanError(code, {
    file,
    where: `byte ${infoOffset}, tensor ${quote(name)}`,
    what: `the data should begin at ${expected}, but begins at ${dataOffset}: ${fault}.`,
    fix: 'Download the file again; if that does not help, convert the model anew.',
    expected,
    found: String(dataOffset),
  });
}

function truncatedError(
  { name, byteLength }: TensorInfo,
  end: number,
  { name: file, size }: { readonly name: string; readonly size: number },
): BaichuanError {
  return new BaichuanError('gguf-truncated', {
    file,
    where: `tensor ${quote(name)}`,
    what: `its ${byteLength} bytes end at byte ${end}, but the file has only ${size} bytes.`,
    fix: 'Download the file again: it seems to have been cut short.',
    expected: end,
    found: size,
  });
}
