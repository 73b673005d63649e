/**
 * The files of the console page, read once at the start: only what is in this map is served, so no
 * path of a request ever reaches the file system.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from '../core/assert.ts';
import { ASSETS_BYTES_MAX, ASSETS_MAX } from './limits.ts';

export interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Files of other kinds are not part of the page. */
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

/** Where the build puts the page. */
const FOLDER = fileURLToPath(new URL('../console/', import.meta.url));

const NO_PAGE: Asset = {
  type: 'text/plain; charset=utf-8',
  bytes: Buffer.from('sessile: this build has no console page; see /metrics and /status.json\n'),
};

/** The files by their paths, `/` among them. */
export function readAssets(folder = FOLDER): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>();
  let bytes = 0;
  for (const name of namesIn(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const asset = { type, bytes: readFileSync(join(folder, name)) };
    bytes += asset.bytes.byteLength;
    assets.set(`/${name.replaceAll('\\', '/')}`, asset);
  }
  assert(assets.size <= ASSETS_MAX && bytes <= ASSETS_BYTES_MAX, 'the page is as small as built');
  assets.set('/', assets.get('/index.html') ?? NO_PAGE);
  return assets;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}
