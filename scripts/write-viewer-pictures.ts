/**
 * Writes the pictures of the viewer in `docs/pictures`: what a browser shows of an archive of phantoms.
 *
 *     node scripts/write-viewer-pictures.ts
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Page } from 'playwright-core';
import { z } from 'zod';
import { element, elementUS } from '../core/dicom/encode.ts';
import { startBrowser } from '../test/support/open/browser.ts';
import { makeArchive, writeStudy } from '../test/support/open/generated-archive.ts';
import {
  archiveInstance,
  archiveSidecar,
  instanceOf,
  type WrittenInstance,
} from '../test/support/open/written-instance.ts';

const root = new URL('..', import.meta.url).pathname;
const pictures = join(root, 'docs/pictures');
const [slices, pixels] = [40, 320];
const study = '1.2.840.99999.7';

/** Ellipsoids of the head phantom of Shepp and Logan in three dimensions: value, half axes, center, angle in degrees. */
const ellipsoids: readonly (readonly [number, number, number, number, number, number, number, number])[] = [
  [1000, 0.69, 0.92, 0.9, 0, 0, 0, 0],
  [-800, 0.6624, 0.874, 0.88, 0, -0.0184, 0, 0],
  [-120, 0.11, 0.31, 0.22, 0.22, 0, 0, -18],
  [-120, 0.16, 0.41, 0.28, -0.22, 0, 0, 18],
  [120, 0.21, 0.25, 0.41, 0, 0.35, -0.15, 0],
  [120, 0.046, 0.046, 0.05, 0, 0.1, 0.25, 0],
  [120, 0.046, 0.046, 0.05, 0, -0.1, 0.25, 0],
  [100, 0.046, 0.023, 0.05, -0.08, -0.605, 0, 0],
  [100, 0.023, 0.046, 0.05, 0.06, -0.605, 0, 0],
];

function valueAt(x: number, y: number, height: number): number {
  let value = 0;
  for (const [density, a, b, c, centerX, centerY, centerZ, degrees] of ellipsoids) {
    const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
    const [dx, dy, dz] = [x - centerX, y - centerY, height - centerZ];
    const inside = ((dx * cos + dy * sin) / a) ** 2 + ((dy * cos - dx * sin) / b) ** 2 + (dz / c) ** 2;
    if (inside <= 1) value += density;
  }
  return value;
}

function phantomSlice(slice: number, series: number): WrittenInstance {
  const samples = Buffer.alloc(2 * pixels * pixels);
  const at = (index: number) => (2 * index) / (pixels - 1) - 1;
  for (let row = 0; row < pixels; row += 1) {
    for (let column = 0; column < pixels; column += 1) {
      const height = (2 * (slice + 0.5)) / slices - 1;
      const value =
        series === 1 ? valueAt(at(column), -at(row), height * 0.85) : valueAt(height * 0.6, at(column), -at(row));
      samples.writeUInt16LE(Math.max(0, value), 2 * (row * pixels + column));
    }
  }
  return instanceOf({
    patient: 'P-0815',
    name: 'PHANTOM^SHEPP LOGAN',
    study,
    series: `${study}.${series}`,
    instance: `${study}.${series}.${slice + 1}`,
    modality: 'CT',
    number: slice + 1,
    more: [
      elementUS(0x0028, 0x0002, 1),
      element(0x0028, 0x0004, 'CS', 'MONOCHROME2'),
      elementUS(0x0028, 0x0010, pixels),
      elementUS(0x0028, 0x0011, pixels),
      elementUS(0x0028, 0x0100, 16),
      elementUS(0x0028, 0x0101, 12),
      elementUS(0x0028, 0x0103, 0),
      element(0x0028, 0x1050, 'DS', '260'),
      element(0x0028, 0x1051, 'DS', '500'),
      element(0x7fe0, 0x0010, 'OW', samples),
    ],
  });
}

async function writeArchive(archive: string): Promise<string> {
  await makeArchive(archive);
  for (let number = 1; number <= 18; number += 1) {
    const modality = ['CT', 'MR', 'CR', 'US'][number % 4] ?? 'OT';
    await writeStudy(archive, { seed: 'pictures', number, instances: 1 + (number % 3), sizeBytes: 4_000, modality });
  }
  const written = [1, 2].flatMap((series) => Array.from({ length: slices }, (_, slice) => phantomSlice(slice, series)));
  for (const instance of written) await archiveInstance(archive, instance);
  const [first] = written;
  if (first === undefined) throw new Error('there is no slice');
  await archiveSidecar(archive, written, {
    labels: ['teaching'],
    metadata: { 1030: 'read twice' },
    patientTags: { PatientID: 'P-0815', PatientName: 'PHANTOM^SHEPP LOGAN', PatientBirthDate: '19740601' },
    tags: {
      StudyInstanceUID: study,
      StudyDate: '20261120',
      StudyTime: '081500',
      StudyDescription: 'Head phantom',
      AccessionNumber: 'A0815',
    },
  });
  return first.study;
}

async function take(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

const folder = await mkdtemp(join(tmpdir(), 'viewer-pictures-'));
await using cleanup = new AsyncDisposableStack();
cleanup.defer(() => rm(folder, { recursive: true, force: true }));
await mkdir(pictures, { recursive: true });
const archive = join(folder, 'archive');
const id = await writeArchive(archive);
// The name of the archive is shown.
const args = ['open', '--archive', 'archive', '--listen', '127.0.0.1:0', '--access-log', join(folder, 'log'), '--json'];
const opened = spawn(join(root, 'bin/orthanc-mirror'), args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
cleanup.defer(async () => {
  const ended = new Promise((resolve) => opened.once('exit', resolve));
  opened.kill('SIGINT');
  await ended;
});
const [line]: string[] = await once(createInterface({ input: opened.stdout }), 'line');
const { url } = z.object({ url: z.string() }).parse(JSON.parse(line ?? '{}'));
const browser = await startBrowser();
cleanup.defer(() => browser.close());
const page = await browser.newPage({ viewport: { width: 1120, height: 680 } });
await page.goto(url);
await page.locator('tbody tr').nth(5).waitFor();
await page.getByText('complete').waitFor();
await take(page, 'list');
await page.goto(`${url}#/study/${id}`);
await page.locator('[data-index="1"]').waitFor();
for (let count = 0; count < slices * 0.575; count += 1) await page.keyboard.press('ArrowDown');
await page.locator(`[data-index="${slices * 0.575 + 1}"]`).waitFor();
await take(page, 'viewer');
await page.goto(`${url}#/about/${id}`);
await page.getByText('read all files and compare their hashes').click();
await page.getByText(`${2 * slices} of ${2 * slices} are as archived`).waitFor();
await take(page, 'about');
