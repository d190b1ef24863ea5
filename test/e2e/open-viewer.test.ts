/** The viewer in a real browser: what a clinician does when there is no server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import openjpeg from '@cornerstonejs/codec-openjpeg/wasmjs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { AccessControl } from '../../cli/open/access.ts';
import { createListener, listenOn } from '../../cli/open/listener.ts';
import { addStaticFiles } from '../../cli/open/static-files.ts';
import { element, elementUS, sequenceMark } from '../../core/dicom/encode.ts';
import { addDicomwebRoutes } from '../../core/open/dicomweb/routes.ts';
import { addOrthancRoutes } from '../../core/open/orthanc-rest/routes.ts';
import { ArchiveReader } from '../../core/open/reader/archive-reader.ts';
import { renderFrame } from '../../core/open/rendering/render-frame.ts';
import { addPageRoutes } from '../../core/open/viewer/routes.ts';
import { Routes } from '../../core/open/web/routes.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { buildViewer } from '../../scripts/build-viewer.ts';
import { startBrowser } from '../support/open/browser.ts';
import { makeArchive, writeStudy } from '../support/open/generated-archive.ts';
import {
  archiveInstance,
  archiveSidecar,
  fragments,
  type InstancePlan,
  instanceOf,
  type WrittenInstance,
} from '../support/open/written-instance.ts';

/** What the browser has in itself: made of bytes, or its own viewer of PDF. */
const ofTheBrowser = /^(?:blob|chrome|chrome-extension|data):/;
const cleanup = new AsyncDisposableStack();
let browser: Browser;
let origin: string;
let page: Page;
/** What the page did that it must not do: errors, violations of its policy, requests to elsewhere. */
let wrongs: string[];
let attached: WrittenInstance;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'open-viewer-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const archivePath = join(folder, 'archive');
  await makeArchive(archivePath);
  for (let number = 0; number < 60; number += 1) {
    await writeStudy(archivePath, {
      seed: 'viewer',
      number,
      instances: number === 7 ? 30 : 1,
      sizeBytes: 20_000,
      modality: number % 2 === 0 ? 'CT' : 'MR',
      ...(number === 7 && { patientName: 'SCROLLED^STUDY' }),
    });
  }
  for (const plan of await specialInstances()) await archiveInstance(archivePath, instanceOf(plan));
  attached = instanceOf({ name: 'ATTACHED^TO', study: '1.2.9', series: '1.2.9.1', instance: '1.2.9.1.1' });
  await archiveInstance(archivePath, attached);
  await archiveSidecar(archivePath, [attached], {
    labels: ['urgent'],
    metadata: { 1030: 'read by <b>nobody</b>' },
    patientTags: { PatientID: 'P1', PatientName: 'ATTACHED^TO' },
    tags: { StudyInstanceUID: '1.2.9', StudyDate: '20260102' },
  });
  await buildViewer(join(folder, 'viewer'));
  const archive = await openArchive(new FolderObjects(archivePath));
  cleanup.defer(() => archive.close());
  const reader = new ArchiveReader(archive);
  cleanup.defer(() => reader.close());
  const routes = addPageRoutes(addDicomwebRoutes(new Routes(), reader, renderFrame), reader);
  addOrthancRoutes(routes, reader, renderFrame);
  await addStaticFiles(routes, join(folder, 'viewer'));
  const server = createListener({
    routes,
    access: new AccessControl({}),
    log: { append: async () => undefined },
    onDefect: (error) => wrongs.push(String(error)),
  });
  cleanup.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  origin = `http://127.0.0.1:${await listenOn(server, '127.0.0.1', 0)}`;
  await reader.surveyed();
  browser = await startBrowser();
  cleanup.defer(() => browser.close());
});

afterAll(() => cleanup.disposeAsync());

beforeEach(async () => {
  wrongs = [];
  const context = await browser.newContext({ viewport: { width: 1000, height: 700 } });
  page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') wrongs.push(message.text());
  });
  page.on('pageerror', (error) => wrongs.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !ofTheBrowser.test(request.url()))
      wrongs.push(`asks for ${request.url()}`);
  });
  return async () => {
    await context.close();
    expect(wrongs).toEqual([]);
  };
});

/** A multi-frame image, one that is compressed, a PDF, and a report, each a study of its own. */
async function specialInstances(): Promise<readonly InstancePlan[]> {
  const of = (number: number, name: string, more: readonly Buffer[]): InstancePlan => ({
    name,
    study: `1.3.${number}`,
    series: `1.3.${number}.1`,
    instance: `1.3.${number}.1.1`,
    more,
  });
  const [rows, columns] = [64, 64];
  const describe = (frames: number) => [
    elementUS(0x0028, 0x0002, 1),
    element(0x0028, 0x0004, 'CS', 'MONOCHROME2'),
    element(0x0028, 0x0008, 'IS', String(frames)),
    elementUS(0x0028, 0x0010, rows),
    elementUS(0x0028, 0x0011, columns),
    elementUS(0x0028, 0x0100, 8),
    elementUS(0x0028, 0x0101, 8),
    elementUS(0x0028, 0x0103, 0),
  ];
  const frames = 5;
  const pixels = Buffer.from(Array.from({ length: frames * rows * columns }, (_, index) => (index % columns) * 4));
  const encoder = new (await openjpeg()).J2KEncoder();
  encoder
    .getDecodedBuffer({ width: columns, height: rows, bitsPerSample: 8, componentCount: 1, isSigned: false })
    .set(pixels.subarray(0, rows * columns));
  encoder.encode();
  const codestream = Buffer.from(encoder.getEncodedBuffer());
  const even = codestream.length % 2 === 0 ? codestream : Buffer.concat([codestream, Buffer.alloc(1)]);
  const item = (...elements: readonly Buffer[]) => {
    const content = Buffer.concat(elements);
    return Buffer.concat([sequenceMark(0xe000, content.length), content]);
  };
  const finding = item(
    element(0x0040, 0xa040, 'CS', 'TEXT'),
    element(0x0040, 0xa043, 'SQ', item(element(0x0008, 0x0104, 'LO', 'Finding'))),
    element(0x0040, 0xa160, 'UT', 'no <fracture>'),
  );
  return [
    of(1, 'MULTI^FRAME', [...describe(frames), element(0x7fe0, 0x0010, 'OW', pixels)]),
    { ...of(2, 'COMPRESSED^ONE', [...describe(1), fragments([], even)]), transferSyntax: '1.2.840.10008.1.2.4.90' },
    {
      ...of(3, 'PDF^DOCUMENT', [
        element(0x0042, 0x0011, 'OB', Buffer.from('%PDF-1.4\n%%EOF\n')),
        element(0x0042, 0x0012, 'LO', 'application/pdf'),
      ]),
      sopClass: '1.2.840.10008.5.1.4.1.1.104.1',
    },
    {
      ...of(4, 'REPORT^ONE', [element(0x0040, 0xa040, 'CS', 'CONTAINER'), element(0x0040, 0xa730, 'SQ', finding)]),
      sopClass: '1.2.840.10008.5.1.4.1.1.88.11',
      modality: 'SR',
    },
  ];
}

const rows = () => page.locator('tbody.rows tr');
const search = () => page.locator('input[type=search]');

/** Opens the study of a name through the list, by keys alone. */
async function openStudy(name: string): Promise<void> {
  await page.goto(origin);
  await search().fill(name);
  await rows().nth(0).filter({ hasText: name.toUpperCase() }).waitFor();
  await page.keyboard.press('Enter');
}

/** The shades in the middle of the stage: what is really drawn. */
async function shades(): Promise<number[]> {
  // As text: the browser's types are not those of the tests.
  const script = `(() => {
    const canvas = document.querySelector('.viewport canvas');
    const { data } = canvas.getContext('2d').getImageData(canvas.width / 4, canvas.height / 2, canvas.width / 2, 1);
    return Array.from(data).filter((_, index) => index % 4 === 0);
  })()`;
  return z.array(z.number()).parse(await page.evaluate(script));
}

/** A browser on a busy machine takes its time. */
const eventually = <Value>(look: () => Promise<Value>) => expect.poll(look, { timeout: 20_000 });
const distinct = (values: readonly number[]) => new Set(values).size;
const at = (index: number) => page.locator(`[data-index="${index}"]`).waitFor();

describe('the list of studies', () => {
  test('is searched as one types, by name, accession number and description, and by modality', async () => {
    await page.goto(origin);
    await rows().nth(49).waitFor();
    expect(await rows().count()).toBe(50);
    await search().pressSequentially('multi fra');
    await eventually(() => rows().count()).toBe(1);
    await search().fill('A12');
    await rows().filter({ hasText: 'GENERATED, 12' }).waitFor();
    await eventually(() => rows().count()).toBeLessThan(10);
    await search().fill('');
    await page.locator('select').selectOption('SR');
    await eventually(() => rows().count()).toBe(1);
  });

  test('is gone through with keys, page by page', async () => {
    await page.goto(origin);
    await rows().nth(49).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    expect(await rows().nth(2).getAttribute('class')).toBe('chosen');
    await page.getByText('older').click();
    await eventually(() => rows().count()).toBe(15);
  });

  test('says what it is, and what it is not', async () => {
    await page.goto(origin);
    await expect
      .poll(() => page.locator('#banner').textContent())
      .toContain('Not a medical device; for emergency reading');
  });
});

describe('the viewer', () => {
  test('shows the first image, and scrolls by keys, wheel and slider', async () => {
    await openStudy('scrolled');
    await at(1);
    expect(distinct(await shades())).toBeGreaterThan(20);
    expect(await page.locator('.overlay.top-left').textContent()).toContain('SCROLLED, STUDY');
    await page.keyboard.press('ArrowDown');
    await at(2);
    await page.locator('.viewport').hover();
    await page.mouse.wheel(0, 100);
    await at(3);
    await page.locator('input.scroll').fill('30');
    await at(30);
    await page.keyboard.press('Home');
    await at(1);
  });

  test('changes the window while it is dragged, inverts, and goes back', async () => {
    await openStudy('multi');
    await at(1);
    const before = await shades();
    await page.mouse.move(600, 400);
    await page.mouse.down();
    await page.mouse.move(600, 480, { steps: 4 });
    await page.mouse.up();
    await eventually(shades).not.toEqual(before);
    await page.keyboard.press('r');
    await eventually(shades).toEqual(before);
    await page.keyboard.press('i');
    await eventually(async () => (await shades())[0] ?? 0).toBeGreaterThan(255 - (before[0] ?? 0) - 10);
  });

  test('zooms', async () => {
    await openStudy('multi');
    await at(1);
    const text = await page.locator('.overlay.bottom-left').textContent();
    await page.keyboard.press('+');
    await eventually(() => page.locator('.overlay.bottom-left').textContent()).not.toBe(text);
  });

  test('shows all frames of one file, and plays them', async () => {
    await openStudy('multi');
    await at(1);
    expect(await page.locator('.overlay.bottom-left').textContent()).toContain('1 / 5');
    await page.keyboard.press('Space');
    await at(3);
    await page.keyboard.press('Space');
  });

  test('shows what is compressed as what it was', async () => {
    await openStudy('compressed');
    await at(1);
    const shown = await shades();
    expect(distinct(shown)).toBeGreaterThan(20);
    // The image grows lighter from left to right.
    expect(shown[0]).toBeLessThan(shown.at(-1) ?? 0);
  });

  test('shows thumbnails of the series', async () => {
    await openStudy('compressed');
    const width = () => page.evaluate(`document.querySelector('.series img').naturalWidth`);
    await eventually(width).toBe(64);
  });

  test('shows PDF in a frame', async () => {
    const asked = page.waitForResponse((answer) => answer.url().endsWith('/rendered'));
    await openStudy('pdf');
    const frame = page.locator('iframe.pdf');
    await frame.waitFor({ state: 'attached' });
    expect(await frame.getAttribute('src')).toMatch(/^blob:/);
    expect((await asked).headers()['content-type']).toBe('application/pdf');
  });

  test('shows a report as text, whatever it holds', async () => {
    await openStudy('report');
    await eventually(() => page.locator('.report').textContent()).toContain('Finding: no <fracture>');
  });
});

test('the page about a study shows what is attached, what became of each file, and that it is as archived', async () => {
  await page.goto(`${origin}/#/about/${attached.study}`);
  const about = page.locator('.about');
  await eventually(() => about.textContent()).toContain('Labels: urgent');
  expect(await about.textContent()).toContain('read by <b>nobody</b>');
  await page.getByText('read all files and compare their hashes').click();
  await eventually(() => page.locator('.proof').textContent()).toContain('1 of 1 are as archived');
  await page.locator('summary').click();
  await eventually(() => about.textContent()).toContain(`received ${attached.md5}`);
});

test('the client of other viewers, dicomweb-client, reads the archive', async () => {
  const context = await browser.newContext({ bypassCSP: true });
  const other = await context.newPage();
  await other.goto(`${origin}/viewer/icon.svg`);
  await other.goto(origin);
  await other.addScriptTag({
    path: fileURLToPath(import.meta.resolve('dicomweb-client').replace(/[^/]+$/, 'dicomweb-client.js')),
  });
  const script = `(async () => {
    const client = new DICOMwebClient.api.DICOMwebClient({ url: '${origin}/dicom-web' });
    const ids = { studyInstanceUID: '1.3.1', seriesInstanceUID: '1.3.1.1', sopInstanceUID: '1.3.1.1.1' };
    const studies = await client.searchForStudies({ queryParams: { PatientName: 'MULTI*' } });
    const [metadata] = await client.retrieveSeriesMetadata(ids);
    const whole = await client.retrieveInstance(ids);
    const mediaTypes = [{ mediaType: 'application/octet-stream', transferSyntaxUID: '*' }];
    const [frame] = await client.retrieveInstanceFrames({ ...ids, frameNumbers: [2], mediaTypes });
    return { studies: studies.length, frames: metadata['00280008'].Value[0], bytes: whole.byteLength, frame: frame.byteLength };
  })()`;
  const read = z.record(z.string(), z.number()).parse(await other.evaluate(script));
  expect(read).toMatchObject({ studies: 1, frames: 5, frame: 64 * 64 });
  expect(read.bytes).toBeGreaterThan(5 * 64 * 64);
  await context.close();
});
