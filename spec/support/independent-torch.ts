/** A second reader of PyTorch files for specs: `@zip.js/zip.js` for the archive and `pickleparser`
 *  for the pickle. It shares nothing with the reader under test, and trusts its files more. */
import { BlobReader, Uint8ArrayWriter, ZipReader } from '@zip.js/zip.js';
import { Parser } from 'pickleparser';

/** An entry as zip.js has it. */
export interface OtherEntry {
  readonly name: string;
  readonly byteLength: number;
  readonly storedBytes: number;
  readonly crc32: number;
  readonly headerOffset: number;
  /** Its bytes, checked against its checksum. */
  data(): Promise<Uint8Array>;
}

/** The entries of a zip file. */
export async function otherEntries(bytes: Uint8Array): Promise<OtherEntry[]> {
  const reader = new ZipReader(new BlobReader(new Blob([Uint8Array.from(bytes)])), {
    useWebWorkers: false,
  });
  const entries = await reader.getEntries();
  await reader.close();
  return entries.map((entry) => ({
    name: entry.filename,
    byteLength: entry.uncompressedSize,
    storedBytes: entry.compressedSize,
    crc32: entry.signature ?? -1,
    headerOffset: entry.offset,
    data: async () => {
      if (entry.directory) return new Uint8Array(0);
      return entry.getData(new Uint8ArrayWriter(), { checkSignature: true, useWebWorkers: false });
    },
  }));
}

/** A tensor as pickleparser has it. */
export interface OtherTensor {
  readonly type: string;
  readonly key: string;
  readonly elements: number;
  readonly offset: number;
  readonly shape: number[];
  readonly strides: number[];
}

type Rebuild = (...items: never[]) => unknown;

/** What the names of a state dict make; every other name is an error. */
const NAMES: Record<string, Rebuild> = {
  'collections.OrderedDict': () => new Map(),
  'torch._utils._rebuild_parameter': (tensor: object) => tensor,
  'torch._utils._rebuild_tensor_v2': (
    storage: object,
    offset: number,
    shape: number[],
    strides: number[],
  ) => ({ ...storage, offset, shape, strides }),
};

/** The state dict of a pickle, or whatever it holds. */
export function otherPickle(bytes: Uint8Array): unknown {
  const parser = new Parser({
    unpicklingTypeOfDictionary: 'Map',
    nameResolver: {
      resolve(module, name) {
        const known = NAMES[`${module}.${name}`];
        if (known !== undefined) return known;
        const storage = () => name;
        return Object.assign(storage, { storageName: name });
      },
    },
    persistentResolver: {
      resolve(id) {
        // The id is a tuple, whatever the type says.
        const [, type, key, , elements] = [...(id as unknown as Iterable<unknown>)];
        const { storageName } = type as { storageName?: string };
        return { type: storageName, key, elements };
      },
    },
  });
  return parser.parse(bytes);
}
