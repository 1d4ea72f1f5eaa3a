/** Which shards of an index are on a web server: a server lists no names, so each is asked for. */

import { throwIfAborted } from '../abort.ts';
import { BaichuanError } from '../errors.ts';
import { askFor, type HttpFile } from './http-request.ts';
import { openHttpFile } from './http-source.ts';

/** A name in an index that is a file of weights. */
const SHARD_NAME = /"([^"/\\]+\.(?:safetensors|bin))"/g;

const MAX_INDEX_BYTES = 16 * 2 ** 20;

/** An index that names more shards is believed: no model has as many. */
const MAX_ASKED_SHARDS = 256;

/** Shards that are asked for at a time. */
const REQUESTS_AT_ONCE = 8;

/** The shards that an index names, without those that the server has not.
 *  @param fileOf a file of the folder @throws aborted, io-… */
export async function presentShards(
  fileOf: (name: string) => HttpFile,
  index: string,
): Promise<string[]> {
  const shards = await readShards(fileOf(index));
  const absent = await absentShards(fileOf, shards);
  return shards.filter((shard) => !absent.has(shard));
}

async function readShards(index: HttpFile): Promise<string[]> {
  const source = await openHttpFile(index);
  try {
    const length = Math.min(source.size, MAX_INDEX_BYTES);
    const text = new TextDecoder().decode(await source.read(0, length));
    return [...new Set([...text.matchAll(SHARD_NAME)].map(([, shard]) => shard))];
  } finally {
    await source.close();
  }
}

/** Which shards a server has not. Whatever else it answers, they are listed, for whoever opens them
 *  to be told; after a fault nothing more is asked, so that a bad connection is not tried for each.
 *  @throws aborted */
async function absentShards(
  fileOf: (name: string) => HttpFile,
  shards: readonly string[],
): Promise<Set<string>> {
  const absent = new Set<string>();
  if (shards.length > MAX_ASKED_SHARDS) return absent;
  const waiting = [...shards];
  const askInTurn = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const file = fileOf(name);
      try {
        (await askFor(file, [0, 1])).stop();
      } catch (error) {
        throwIfAborted(file.signal);
        if (!(error instanceof BaichuanError)) waiting.length = 0;
        else if (error.code === 'io-not-found') absent.add(name);
      }
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, askInTurn));
  return absent;
}
