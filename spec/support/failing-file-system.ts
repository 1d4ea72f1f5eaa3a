/** A file system that records the calls by which files and folders are written, and fails at one of
 *  them. */

import * as fileSystem from 'node:fs/promises';

/** Makes one.
 *  @param failAt the number of the call that fails, from 0 on; none by default */
export function failingFileSystem(failAt = -1, errno = 'ENOSPC') {
  const calls: string[] = [];
  const call = <T>(name: string, action: () => Promise<T>): Promise<T> => {
    calls.push(name);
    if (calls.length - 1 !== failAt) return action();
    return Promise.reject(Object.assign(new Error(`${errno}: injected`), { code: errno }));
  };
  const wrapped = {
    ...fileSystem,
    mkdir: (path: string) => call('mkdir', () => fileSystem.mkdir(path)),
    rename: (from: string, to: string) => call('rename', () => fileSystem.rename(from, to)),
    open: async (path: string, flags: string) => {
      const kind = flags === 'wx' ? 'file' : 'folder';
      const handle = await call(`open ${kind}`, () => fileSystem.open(path, flags));
      const { write, sync } = handle;
      return Object.assign(handle, {
        write: (...parameters: Parameters<typeof write>) =>
          call('write', () => write.apply(handle, parameters)),
        sync: () => call(`sync ${kind}`, () => sync.call(handle)),
      });
    },
  };
  return { calls, wrapped };
}
