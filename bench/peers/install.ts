/** Installs the peers into `bench/peers/node_modules`, once, without running their scripts: what
 *  these would fetch are packages of their own, for each platform, and so can be named. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const FOLDER = import.meta.dirname;
const MODULES = path.join(FOLDER, 'node_modules');

/** Of the bench: bundles and made-up models. Deleting it loses nothing. */
export const CACHE = path.join(MODULES, '.cache');

/** Long-term support, with relaxed SIMD; and the oldest that is supported, without. */
const NODES = { 'node-24': '24.21.0', 'node-20': '20.20.2' };

const MANIFEST = path.join(FOLDER, 'package.json');

/** Brings the folder up to date.
 *  @throws Error with npm's output when it fails */
export function installPeers(): void {
  const manifest = readFileSync(MANIFEST, 'utf8');
  const platform = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const llama = JSON.parse(manifest).dependencies['node-llama-cpp'];
  const packages = [
    `@node-llama-cpp/${platform}@${llama}`,
    ...Object.entries(NODES).map(([name, version]) => `${name}@npm:node-${platform}@${version}`),
  ];
  const wanted = JSON.stringify([manifest, packages]);
  const stamp = path.join(CACHE, 'installed.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  const quiet = ['--ignore-scripts', '--no-package-lock', '--no-save', '--no-audit', '--no-fund'];
  // Optional are the builds for other platforms and for graphics cards, a gigabyte in all.
  const args = ['install', ...quiet, '--omit=optional', '--prefix', FOLDER, ...packages];
  const { status, error } = spawnSync('npm', args, {
    cwd: FOLDER,
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (status !== 0) throw new Error('npm could not install bench/peers', { cause: error });
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(stamp, wanted);
}

/** The binary of an installed Node. */
export function nodeBinary(name: keyof typeof NODES): string {
  return path.join(MODULES, name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

/** The URL of an installed package's file. */
export function peerModule(file: string): string {
  return pathToFileURL(path.join(MODULES, file)).href;
}
