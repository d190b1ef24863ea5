import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fromBuffer, type ZipFile } from 'yauzl';
import { writeMedium } from '../../cli/export/medium.ts';
import { readDataSet } from '../../core/dicom/data-set.ts';
import { element } from '../../core/dicom/encode.ts';
import { type ExportProblem, exportStudies } from '../../core/open/export/export-studies.ts';
import { renderFrame } from '../../core/open/rendering/render-frame.ts';
import { instanceKey } from '../../core/stores/archive/keys.ts';
import { archiveFolder, openSite } from '../support/open/site.ts';
import {
  archiveInstance,
  type InstancePlan,
  image,
  instanceOf,
  type WrittenInstance,
} from '../support/open/written-instance.ts';

const { signal } = new AbortController();

async function target(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'export-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, name);
}

/** Exports everything of an archive of such instances; `damage` is done to it before. */
async function exported(
  plans: readonly InstancePlan[],
  {
    place = 'medium',
    damage,
  }: {
    readonly place?: string;
    readonly damage?: (folder: string, written: readonly WrittenInstance[]) => Promise<void>;
  } = {},
) {
  const folder = await archiveFolder();
  const written = plans.map(instanceOf);
  for (const one of written) await archiveInstance(folder, one);
  await damage?.(folder, written);
  const { reader } = await openSite(folder);
  await reader.surveyed();
  const contents = await Promise.all((await reader.studies()).map(({ study }) => reader.study(study)));
  const problems: ExportProblem[] = [];
  const path = await target(place);
  const options = {
    signal,
    render: renderFrame,
    withPages: true,
    onProblem: (problem: ExportProblem) => void problems.push(problem),
  };
  await writeMedium(
    path,
    exportStudies(
      reader,
      contents.filter((content) => content !== undefined),
      options,
    ),
  );
  return { path, written, problems };
}

interface FoundRecord {
  readonly type: string;
  readonly file: string | undefined;
  readonly children: readonly FoundRecord[];
}

/** Follows the offsets of a DICOMDIR from record to record, as a reader of media does. */
async function directoryOf(path: string): Promise<readonly FoundRecord[]> {
  const bytes = await readFile(path);
  const number = (at: number, tag: number): number => {
    const found = bytes.indexOf(Buffer.from([0x04, 0x00, tag & 0xff, tag >> 8, 0x55, 0x4c, 0x04, 0x00]), at);
    return bytes.readUInt32LE(found + 8);
  };
  const text = (at: number, tag: number, end: number): string | undefined => {
    const found = bytes.indexOf(Buffer.from([0x04, 0x00, tag & 0xff, tag >> 8, 0x43, 0x53]), at);
    if (found === -1 || found >= end) return undefined;
    return bytes.toString('latin1', found + 8, found + 8 + bytes.readUInt16LE(found + 6)).trim();
  };
  const chain = (first: number): FoundRecord[] => {
    const records: FoundRecord[] = [];
    for (let at = first; at !== 0; at = number(at, 0x1400)) {
      // Each offset is that of an item of the sequence.
      expect(bytes.subarray(at, at + 4).toString('hex')).toBe('feff00e0');
      const end = at + 8 + bytes.readUInt32LE(at + 4);
      records.push({
        type: text(at, 0x1430, end) ?? '',
        file: text(at, 0x1500, end),
        children: chain(number(at, 0x1420)),
      });
    }
    return records;
  };
  const roots = chain(number(0, 0x1200));
  expect(number(0, 0x1202)).toBeGreaterThan(0);
  return roots;
}

const plans: readonly InstancePlan[] = [
  {},
  { instance: '1.2.1.1.2' },
  { series: '1.2.1.2', instance: '1.2.1.2.1', more: image(3) },
  { patient: 'P2', name: 'MÜLLER^ÅSA=<b>&"', study: '1.2.2', series: '1.2.2.1', instance: '1.2.2.1.1' },
];

describe('an export', () => {
  test('holds the very files, and a directory that leads to each of them', async () => {
    const { path, written } = await exported(plans);
    const files = (await directoryOf(join(path, 'DICOMDIR'))).flatMap((patient) => {
      expect(patient.type).toBe('PATIENT');
      return patient.children.flatMap((study) => study.children.flatMap((series) => series.children));
    });
    expect(files.map(({ type }) => type)).toEqual(['IMAGE', 'IMAGE', 'IMAGE', 'IMAGE']);
    const bytes = await Promise.all(files.map(({ file }) => readFile(join(path, ...(file ?? '').split('\\')))));
    const hashes = (all: readonly Buffer[]) => all.map((one) => createHash('md5').update(one).digest('hex')).toSorted();
    expect(hashes(bytes)).toEqual(hashes(written.map((one) => one.bytes)));
    for (const { file } of files) expect(file).toMatch(/^[A-Z0-9_]{1,8}(?:\\[A-Z0-9_]{1,8}){1,7}$/);
  });

  test('has a directory that is a whole DICOM file with the names of the patients', async () => {
    const { path } = await exported(plans);
    const bytes = await readFile(join(path, 'DICOMDIR'));
    const read = await readDataSet({
      sizeBytes: bytes.length,
      read: async (at, length) => bytes.subarray(at, at + length),
    });
    expect(read?.fault).toBeUndefined();
    expect(read?.dataSet.get(0x00041220)?.items).toHaveLength(2 + 2 + 3 + 4);
    expect(bytes.toString()).toContain('MÜLLER^ÅSA');
  });

  test('tells the hashes of all files as sha256sum reads them', async () => {
    const { path } = await exported(plans);
    const lines = (await readFile(join(path, 'HASHES.TXT'), 'utf8'))
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines).toHaveLength(plans.length);
    for (const line of lines) {
      const [hash, file = ''] = line.split('  ');
      expect(
        createHash('sha256')
          .update(await readFile(join(path, file)))
          .digest('hex'),
      ).toBe(hash);
    }
  });

  test('has pages with a picture of every frame, on which texts of files are texts', async () => {
    const { path } = await exported(plans);
    const index = await readFile(join(path, 'INDEX.HTM'), 'utf8');
    expect(index).toContain('MÜLLER');
    expect(index).not.toContain('<b>&');
    expect(index).toContain('Not a medical device');
    const names = await readdir(path, { recursive: true });
    expect(names.filter((name) => name.endsWith('.JPG'))).toHaveLength(3 + 3);
    for (const [, page = ''] of index.matchAll(/href="(IHE_PDI[^"]+)"/g)) {
      const html = await readFile(join(path, page), 'utf8');
      for (const [, picture = ''] of html.matchAll(/src="([^"]+)"/g))
        expect(await readFile(join(path, page, '..', picture))).toBeDefined();
    }
    // Nothing is loaded from elsewhere.
    expect(index).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });

  test('gives PDF as it is, and shows a report as text', async () => {
    const pdf = [
      element(0x0042, 0x0011, 'OB', Buffer.from('%PDF-1.4')),
      element(0x0042, 0x0012, 'LO', 'application/pdf'),
    ];
    const meaning = (text: string) => element(0x0008, 0x0104, 'LO', text);
    const item = (...elements: readonly Buffer[]) => {
      const content = Buffer.concat(elements);
      const head = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
      head.writeUInt32LE(content.length, 4);
      return Buffer.concat([head, content]);
    };
    const concept = element(0x0040, 0xa043, 'SQ', item(meaning('Finding')));
    const finding = item(
      element(0x0040, 0xa040, 'CS', 'TEXT'),
      concept,
      element(0x0040, 0xa160, 'UT', 'no <fracture>'),
    );
    const report = [element(0x0040, 0xa040, 'CS', 'CONTAINER'), element(0x0040, 0xa730, 'SQ', finding)];
    const { path } = await exported([{ more: report }, { series: '1.2.1.2', instance: '1.2.1.2.1', more: pdf }]);
    const names = await readdir(path, { recursive: true });
    const html = await Promise.all(
      names.filter((name) => /E\d+\.HTM$/.test(name)).map((name) => readFile(join(path, name), 'utf8')),
    );
    expect(html.join('')).toContain('<b>Finding</b>: no &lt;fracture&gt;');
  });

  test('leaves out what is damaged, names it, and is whole without it', async () => {
    const { path, problems, written } = await exported(plans, {
      damage: async (folder, [first]) => {
        if (first === undefined) return;
        const bytes = Buffer.from(first.bytes);
        bytes[bytes.length - 1] = 0xff;
        await writeFile(join(folder, instanceKey(first.id, first.md5)), bytes);
      },
    });
    expect(problems.map(({ instance }) => instance.id)).toEqual([written[0]?.id]);
    expect(JSON.stringify(await directoryOf(join(path, 'DICOMDIR'))).match(/IMAGE/g)).toHaveLength(3);
  });

  test('into a zip file holds the same', async () => {
    const { path, written } = await exported(plans, { place: 'medium.zip' });
    const bytes = await readFile(path);
    const zip = await new Promise<ZipFile>((resolve, reject) => {
      fromBuffer(bytes, { lazyEntries: false }, (error, file) => (error ? reject(error) : resolve(file)));
    });
    const sizes = new Map<string, number>();
    await new Promise<void>((resolve, reject) => {
      zip
        .on('entry', ({ fileName, uncompressedSize }) => sizes.set(fileName, uncompressedSize))
        .on('end', resolve)
        .on('error', reject);
    });
    expect(sizes.get('DICOM/P0000001/S0000001/E0000001/I0000001')).toBe(written[0]?.bytes.length);
    expect([...sizes.keys()]).toEqual(expect.arrayContaining(['DICOMDIR', 'INDEX.HTM', 'HASHES.TXT', 'README.TXT']));
  });
});

describe('a place', () => {
  test('that holds something is left as it is', async () => {
    const path = await target('medium');
    await writeFile(path, 'mine');
    await expect(writeMedium(path, (async function* () {})())).rejects.toMatchObject({ code: 'configuration' });
    expect(await readFile(path, 'utf8')).toBe('mine');
  });

  test('holds nothing when the export fails half-way', async () => {
    const path = await target('medium');
    async function* failing() {
      yield {
        path: 'A',
        open: async () =>
          (async function* () {
            yield Buffer.from('a');
          })(),
      };
      throw new Error('the archive went away');
    }
    await expect(writeMedium(path, failing())).rejects.toThrow('went away');
    await expect(writeMedium(`${path}.zip`, failing())).rejects.toThrow('went away');
    expect(await readdir(join(path, '..'))).toEqual([]);
  });
});
