/** Files and folders on Node; Deno and Bun have the same `node:fs`. */

export { locateModel, openFolder } from './node-folder.ts';
export { expectApart, expectFree, expectNoInput, expectSpace } from './node-output.ts';
export { openFile } from './node-read-file.ts';
export { leftBeside } from './node-temporary.ts';
export { createFile, type FileWriter } from './node-write-file.ts';
export { createFolder, type FolderWriter } from './node-write-folder.ts';
