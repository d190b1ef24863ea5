import { describe, expect, test } from 'vitest';
import { element, elementUS } from '../../core/dicom/encode.ts';
import { ask, askJson } from '../support/open/ask.ts';
import { partsOf } from '../support/open/multipart.ts';
import { archiveFolder, openSite } from '../support/open/site.ts';
import { archiveInstance, fragments, type InstancePlan, image, instanceOf } from '../support/open/written-instance.ts';

const instance = '/dicom-web/studies/1.2.1/series/1.2.1.1/instances/1.2.1.1.1';
const asStored = 'multipart/related; type="application/octet-stream"; transfer-syntax=*';

async function siteOf(...plans: readonly InstancePlan[]) {
  const folder = await archiveFolder();
  for (const plan of plans) await archiveInstance(folder, instanceOf(plan));
  const site = await openSite(folder);
  await site.reader.surveyed();
  return site.routes;
}

/** The image of 2 by 2 with other pixel data. */
function withPixels(pixels: Buffer, frames = 1): InstancePlan {
  return { more: [...image(frames).slice(0, -1), pixels] };
}

describe('an instance', () => {
  test('is given as it is stored, in parts, alone or in a zip, as the client accepts', async () => {
    const routes = await siteOf({});
    const { bytes } = instanceOf();
    const multipart = await ask(routes, instance, { accept: 'multipart/related; type="application/dicom"' });
    expect(partsOf(multipart.headers['content-type'] ?? '', multipart.bytes)[0]?.bytes).toEqual(bytes);
    expect((await ask(routes, instance, { accept: 'application/dicom' })).bytes).toEqual(bytes);
    const zip = await ask(routes, instance, { accept: 'application/zip' });
    expect(zip.bytes.includes(bytes)).toBe(true);
  });

  test.each([
    [
      'another transfer syntax',
      'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90',
      '1.2.840.10008.1.2.1',
    ],
    ['a kind of answer that there is not', 'text/html', 'application/zip'],
  ])('is refused in %s, with what there is', async (_, accept, offered) => {
    const { status, bytes } = await ask(await siteOf({}), instance, { accept });
    expect(status).toBe(406);
    expect(bytes.toString()).toContain(offered);
  });

  test('that is not there is not found', async () => {
    const routes = await siteOf({});
    for (const address of [
      '/dicom-web/studies/9',
      `${instance}9`,
      `${instance}/frames/2`,
      `${instance}/bulk/00280010/1`,
    ]) {
      expect((await ask(routes, address)).status).toBe(404);
    }
  });
});

describe('frames', () => {
  test('of one file are each given as they are stored', async () => {
    const routes = await siteOf({ more: image(3) });
    const { headers, bytes } = await ask(routes, `${instance}/frames/3,1`);
    const parts = partsOf(headers['content-type'] ?? '', bytes);
    expect(parts.map((part) => [...part.bytes])).toEqual([
      [8, 9, 10, 11],
      [0, 1, 2, 3],
    ]);
    expect(parts[0]?.headers['content-location']).toContain('/frames/3');
  });

  test.each([
    [
      'an offset table',
      [0, 12],
      [
        [1, 2, 3, 4],
        [5, 6],
      ],
    ],
    [
      'no table, but one fragment for each',
      [],
      [
        [1, 2, 3, 4],
        [5, 6],
      ],
    ],
  ])('of compressed pixels are told apart by %s', async (_, table, expected) => {
    const pixels = fragments(table, ...expected.map((part) => Buffer.from(part)));
    const routes = await siteOf(withPixels(pixels, 2));
    const { headers, bytes } = await ask(routes, `${instance}/frames/1,2`, { accept: asStored });
    expect(partsOf(headers['content-type'] ?? '', bytes).map((part) => [...part.bytes])).toEqual(expected);
  });

  test('of compressed pixels may be of several fragments', async () => {
    const [begin, end, other] = [
      Buffer.from([0xff, 0xd8, 0xff, 1]),
      Buffer.from([2, 3]),
      Buffer.from([0xff, 0xd8, 0xff, 4]),
    ];
    const routes = await siteOf(withPixels(fragments([], begin, end, other), 2));
    const { headers, bytes } = await ask(routes, `${instance}/frames/1,2`, { accept: asStored });
    expect(partsOf(headers['content-type'] ?? '', bytes).map((part) => part.bytes)).toEqual([
      Buffer.concat([begin, end]),
      other,
    ]);
  });

  test('that cannot be told apart are refused with the reason', async () => {
    const routes = await siteOf(withPixels(fragments([], Buffer.alloc(2), Buffer.alloc(2), Buffer.alloc(2)), 2));
    const { status, bytes } = await ask(routes, `${instance}/frames/1`, { accept: asStored });
    expect({ status, text: bytes.toString() }).toMatchObject({
      status: 406,
      text: expect.stringContaining('3 fragments for 2 frames'),
    });
  });

  test('of fewer bytes than the header says are refused', async () => {
    const { status, bytes } = await ask(
      await siteOf(withPixels(element(0x7fe0, 0x0010, 'OW', Buffer.alloc(6)), 2)),
      `${instance}/frames/1`,
    );
    expect({ status, text: bytes.toString() }).toMatchObject({ status: 406, text: expect.stringContaining('shorter') });
  });

  test.each([['0'], ['1,x'], ['-1'], ['1.5'], [''], ['1,'.repeat(20_000)]])(
    'are asked for by whole numbers, not %.10j',
    async (numbers) => {
      expect([400, 404, 414]).toContain((await ask(await siteOf({}), `${instance}/frames/${numbers}`)).status);
    },
  );
});

describe('binary values', () => {
  test('are given at the address that the metadata tell, also within sequences', async () => {
    const value = Buffer.from([1, 2, 3, 4]);
    const item = element(0x0009, 0x1010, 'OB', value);
    const sequence = element(
      0x0088,
      0x0200,
      'SQ',
      Buffer.concat([Buffer.from([0xfe, 0xff, 0x00, 0xe0, item.length, 0, 0, 0]), item]),
    );
    const routes = await siteOf({ more: [sequence] });
    const [metadata] = (await askJson(routes, `${instance}/metadata`)) as {
      '00880200': { Value: { '00091010': { BulkDataURI: string } }[] };
    }[];
    const address = metadata?.['00880200'].Value[0]?.['00091010'].BulkDataURI ?? '';
    const { headers, bytes } = await ask(routes, address);
    expect(partsOf(headers['content-type'] ?? '', bytes)[0]?.bytes).toEqual(value);
    expect((await ask(routes, address, { accept: 'application/octet-stream' })).bytes).toEqual(value);
  });
});

describe('pictures', () => {
  test('are PNG or JPEG, in the size that is asked for', async () => {
    const plain = await ask(await siteOf({}), `${instance}/rendered?viewport=1,1`, { accept: 'image/png' });
    expect([plain.bytes.readUInt32BE(16), plain.bytes.readUInt32BE(20)]).toEqual([1, 1]);
    const jpeg = await ask(await siteOf({}), `${instance}/thumbnail`);
    expect([...jpeg.bytes.subarray(0, 2)]).toEqual([0xff, 0xd8]);
  });

  test.each([
    ['window=1'],
    ['window=a,b'],
    ['window=1,0'],
    ['viewport=0,1'],
    ['viewport=x'],
    ['quality=0'],
    ['quality=101'],
  ])('with %s are refused', async (query) => {
    expect((await ask(await siteOf({}), `${instance}/rendered?${query}`)).status).toBe(400);
  });

  test('of a document that is PDF are the document', async () => {
    const pdf = Buffer.from('%PDF-1.4 nearly');
    const more = [element(0x0042, 0x0011, 'OB', pdf), element(0x0042, 0x0012, 'LO', 'application/pdf')];
    const { headers, bytes } = await ask(await siteOf({ more }), `${instance}/rendered`, { accept: 'application/pdf' });
    expect(headers['content-type']).toBe('application/pdf');
    expect(bytes.toString()).toContain('%PDF-1.4 nearly');
  });
});

describe('a search', () => {
  const many = Array.from({ length: 5 }, (_, index) => ({
    patient: `P${index}`,
    study: `1.2.${index + 1}`,
    series: `1.2.${index + 1}.1`,
    instance: `1.2.${index + 1}.1.1`,
  }));

  test('tells by a header that there is more, and its pages are the whole', async () => {
    const routes = await siteOf(...many);
    const first = await ask(routes, '/dicom-web/studies?limit=2');
    expect(first.headers.warning).toContain('additional results');
    const last = await ask(routes, '/dicom-web/studies?limit=2&offset=4');
    expect(last.headers.warning).toBeUndefined();
    expect(JSON.parse(last.bytes.toString())).toHaveLength(1);
  });

  test('looks into headers for what no list tells, and tells it', async () => {
    const routes = await siteOf(
      { more: [element(0x0018, 0x1030, 'LO', 'HEAD'), elementUS(0x0028, 0x0106, 3)] },
      many[1] ?? {},
    );
    const found = await askJson(routes, '/dicom-web/studies?00280106=3&includefield=ProtocolName');
    expect(found).toMatchObject([{ '00181030': { Value: ['HEAD'] }, '00280106': { Value: [3] } }]);
    expect(found).toHaveLength(1);
  });

  test.each([['limit=x'], ['limit=-1'], ['offset=1.5'], ['fuzzymatching=perhaps'], [`PatientID=${'x'.repeat(9_000)}`]])(
    'with %.30s is refused',
    async (query) => {
      expect((await ask(await siteOf({}), `/dicom-web/studies?${query}`)).status).toBe(400);
    },
  );

  test('passes over attributes that it does not know, and says so', async () => {
    const { status, headers } = await ask(await siteOf({}), '/dicom-web/studies?NoSuchAttribute=1');
    expect({ status, warning: headers.warning }).toMatchObject({
      status: 200,
      warning: expect.stringContaining('1 unknown'),
    });
  });
});

test('what would write is refused, with what may be done', async () => {
  const routes = await siteOf({});
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    const { status, headers } = await ask(routes, '/dicom-web/studies', { method });
    expect({ status, allow: headers.allow }).toEqual({ status: 405, allow: 'GET' });
  }
});

test('the service describes itself', async () => {
  const { headers, bytes } = await ask(await siteOf({}), '/dicom-web/', { method: 'OPTIONS' });
  expect(headers['content-type']).toContain('wadl');
  expect(bytes.toString()).toContain('path="studies/{study}"');
});
