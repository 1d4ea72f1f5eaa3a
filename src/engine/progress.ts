/** How far a pass over the files of a model is: loading, converting, verifying. */

export interface LoadProgress {
  readonly phase: 'weights' | 'convert' | 'verify';
  /** The parameter or the file that is being read. */
  readonly tensor: string;
  /** Bytes of the files that were read, of all that will be. */
  readonly bytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  /** At the rate so far; undefined before there is one. */
  readonly secondsLeft: number | undefined;
}

/** Counts bytes and tells how far they are.
 *  @returns to be called with what was read, and how many bytes that was */
export function progressReporter(
  phase: LoadProgress['phase'],
  totalBytes: number,
  onProgress: ((progress: LoadProgress) => void) | undefined,
): (tensor: string, bytes: number) => void {
  if (onProgress === undefined) return () => undefined;
  const start = performance.now();
  let bytes = 0;
  return (tensor, read) => {
    bytes += read;
    const seconds = (performance.now() - start) / 1000;
    const bytesPerSecond = seconds > 0 ? bytes / seconds : 0;
    const secondsLeft = bytesPerSecond > 0 ? (totalBytes - bytes) / bytesPerSecond : undefined;
    onProgress({ phase, tensor, bytes, totalBytes, bytesPerSecond, secondsLeft });
  };
}
