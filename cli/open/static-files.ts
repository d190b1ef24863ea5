/** The files of the viewer: those that its build wrote, by their names; nothing else of the file system. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { textResponse, type WebResponse } from '../../core/open/web/message.ts';
import type { Routes } from '../../core/open/web/routes.ts';

/** Where the build puts them. */
const viewerFolder = new URL('../../viewer/dist/', import.meta.url).pathname;

const types: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
  wasm: 'application/wasm',
};

/** Scripts and styles of our own only; pictures and what is made of bytes here; nothing from elsewhere. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "frame-src 'self' blob:",
  "frame-ancestors 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** Adds the page and its files. They are read into memory once. @returns whether the viewer was built. */
export async function addStaticFiles(routes: Routes, folder = viewerFolder): Promise<boolean> {
  const names: readonly string[] = await readdir(folder).catch(() => []);
  for (const name of names) {
    const type = types[name.split('.').at(-1) ?? ''];
    if (type === undefined) continue;
    const body = await readFile(join(folder, name));
    const headers = {
      'content-type': type,
      'content-length': String(body.length),
      'content-security-policy': pagePolicy,
      // No patient data: a browser may keep it while the program has not changed.
      'cache-control': 'no-cache',
    };
    const file = (): WebResponse => ({ status: 200, headers, body });
    routes.on('GET', `/viewer/${name}`, file);
    if (name === 'index.html') routes.on('GET', '/', file);
  }
  if (names.includes('index.html')) return true;
  routes.on('GET', '/', () =>
    textResponse(200, 'The viewer is not built: run sh scripts/setup.sh. DICOMweb is at /dicom-web.\n'),
  );
  return false;
}
