/** This project in a process of its own. */

import { createSyntheticModel, type SyntheticSizes } from '../support/synthetic-model.ts';
import { serveContestant } from './child.ts';
import type { OurOptions } from './contest.ts';
import { loadOurs } from './our-model.ts';

/** The model: by path, made up while it is read, or else the embedded one. */
interface Options {
  readonly path?: string;
  readonly sizes?: SyntheticSizes;
  readonly load: OurOptions;
}

serveContestant(async ({ path, sizes, load }: Options) => {
  const source = sizes === undefined ? path : createSyntheticModel(sizes).folder;
  return loadOurs(source, load, `Node ${process.versions.node}`);
});
