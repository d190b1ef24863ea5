import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type DicomDataSet, readDataSet } from '../../core/dicom/data-set.ts';
import { toDicomJson } from '../../core/dicom/dicom-json.ts';
import {
  element,
  elementHeader,
  elementUS,
  fileMetaHeader,
  sequenceMark,
  undefinedLength,
} from '../../core/dicom/encode.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { generateNestedSequence } from '../../local/dicom/nested-sequence.ts';

const meta = fileMetaHeader('1.2.840.10008.5.1.4.1.1.7', '1.2.3');

/** Reads bytes as a storage would give them, and tells how many were asked for. */
async function read(bytes: Uint8Array): Promise<{ readonly header: DicomDataSet; readonly readBytes: number }> {
  let readBytes = 0;
  const header = await readDataSet({
    sizeBytes: bytes.length,
    read: async (position, lengthBytes) => {
      const part = Buffer.from(bytes.subarray(position, position + lengthBytes));
      readBytes += part.length;
      return part;
    },
  });
  if (header === undefined) throw new Error('this is no DICOM');
  return { header, readBytes };
}

const json = (header: DicomDataSet) =>
  toDicomJson(header.dataSet, { bigEndian: header.start.encoding.bigEndian, bulkDataUri: (path) => path });

function sequence(group: number, number: number, ...items: readonly Buffer[]): Buffer {
  const content = items.map((item) => Buffer.concat([sequenceMark(0xe000, item.length), item]));
  return element(group, number, 'SQ', Buffer.concat(content));
}

describe('the header of a file', () => {
  test('is read without the pixels', async () => {
    const { bytes } = generateInstance({ seed: 'header', patient: 0, study: 0, series: 0, instance: 0 }, 4 << 20);
    const { header, readBytes } = await read(bytes);
    expect(readBytes).toBeLessThan(64 << 10);
    expect(json(header)['7FE00010']).toMatchObject({ BulkDataURI: '7fe00010' });
    expect(header.fault).toBeUndefined();
  });

  test('is read past a long value that stands before what is wanted', async () => {
    const bytes = Buffer.concat([
      meta,
      element(0x0009, 0x1010, 'OB', Buffer.alloc(2 << 20)),
      element(0x0010, 0x0020, 'LO', 'P1'),
    ]);
    const { header, readBytes } = await read(bytes);
    expect(json(header)['00100020']).toEqual({ vr: 'LO', Value: ['P1'] });
    expect(readBytes).toBeLessThan(64 << 10);
  });

  test('tells sequences with their items, at any depth', async () => {
    const inner = sequence(0x0008, 0x1199, element(0x0008, 0x1155, 'UI', '1.2.4'));
    const { header } = await read(
      Buffer.concat([meta, sequence(0x0008, 0x1115, inner, element(0x0020, 0x000e, 'UI', '1.2.5'))]),
    );
    expect(json(header)['00081115']).toEqual({
      vr: 'SQ',
      Value: [
        { '00081199': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: ['1.2.4'] } }] } },
        { '0020000E': { vr: 'UI', Value: ['1.2.5'] } },
      ],
    });
  });

  test('is inflated where it is deflated', async () => {
    const dataSet = Buffer.concat([element(0x0010, 0x0020, 'LO', 'P1'), elementUS(0x0028, 0x0010, 7)]);
    const deflatedMeta = Buffer.from(
      meta.toString('latin1').replace('1.2.840.10008.1.2.1\0', '1.2.840.10008.1.2.1.99'),
      'latin1',
    );
    // Two bytes more in the element and in the length of the group.
    const at = deflatedMeta.indexOf('1.2.840.10008.1.2.1.99');
    deflatedMeta.writeUInt16LE(22, at - 2);
    deflatedMeta.writeUInt32LE(deflatedMeta.readUInt32LE(140) + 2, 140);
    const { header } = await read(Buffer.concat([deflatedMeta, deflateRawSync(dataSet)]));
    expect(json(header)).toMatchObject({ '00100020': { Value: ['P1'] }, '00280010': { Value: [7] } });
  });

  test('gives implicit values the representation that the standard gives them', async () => {
    const implicit = (tag: number, value: Buffer) => {
      const head = Buffer.alloc(8);
      head.writeUInt16LE(tag >>> 16, 0);
      head.writeUInt16LE(tag & 0xffff, 2);
      head.writeUInt32LE(value.length, 4);
      return Buffer.concat([head, value]);
    };
    const item = implicit(0x00081155, Buffer.from('1.2.4\0'));
    const bytes = Buffer.concat([
      implicit(0x00080016, Buffer.from('1.2.840.10008.5.1.4.1.1.7\0')),
      implicit(0x00081115, Buffer.concat([sequenceMark(0xe000, item.length), item])),
      implicit(0x00280010, Buffer.from([7, 0])),
    ]);
    expect(json((await read(bytes)).header)).toMatchObject({
      '00081115': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: ['1.2.4'] } }] },
      '00280010': { vr: 'US', Value: [7] },
    });
  });

  test('tells that a file is cut', async () => {
    const { header } = await read(Buffer.concat([meta, elementHeader(0x0010, 0x0020, 'LO', 100), Buffer.from('P1')]));
    expect(header.fault).toBe('cut');
  });

  test('ends at compressed pixels without looking for their end', async () => {
    const fragments = Buffer.concat([sequenceMark(0xe000, 0), sequenceMark(0xe000, 1 << 20), Buffer.alloc(1 << 20)]);
    const { header, readBytes } = await read(
      Buffer.concat([meta, elementHeader(0x7fe0, 0x0010, 'OB', undefinedLength), fragments]),
    );
    expect(header.dataSet.get(0x7fe00010)).toMatchObject({ isEncapsulated: true, vr: 'OB' });
    expect(readBytes).toBeLessThan(64 << 10);
  });
});

describe('a header that is made to use up memory', () => {
  test('of very many elements is given up', async () => {
    const many = Buffer.concat(
      Array.from({ length: 210_000 }, (_, index) => element(0x0009, index % 0xffff, 'LO', '')),
    );
    expect((await read(Buffer.concat([meta, many]))).header.fault).toBe('too-large');
  });

  test('of very long texts is given up', async () => {
    const text = Buffer.alloc(1 << 20, 'x');
    const many = Buffer.concat(Array.from({ length: 30 }, (_, index) => element(0x0009, index, 'UT', text)));
    const { header } = await read(Buffer.concat([meta, many]));
    expect(header.fault).toBe('too-large');
    expect(header.heldBytes).toBeLessThan(32 << 20);
  });

  test('nested without end is told as such', async () => {
    expect(
      (
        await read(
          generateNestedSequence({ seed: 'nested', patient: 0, study: 0, series: 0, instance: 0 }, 5_000).bytes,
        )
      ).header.fault,
    ).toBe('nested-too-deeply');
  });
});

describe('values in DICOM JSON', () => {
  test.each([
    ['a name of three groups', 'PN', 'DOE^J=ドウ', { Alphabetic: 'DOE^J', Ideographic: 'ドウ' }],
    ['a decimal string', 'DS', '1.50 ', '1.50'],
    ['an integer string', 'IS', ' 12', 12],
    ['an integer string that is none', 'IS', 'twelve', 'twelve'],
  ])('%s', async (_, vr, value, expected) => {
    const characterSet = element(0x0008, 0x0005, 'CS', 'ISO_IR 192');
    const { header } = await read(Buffer.concat([meta, characterSet, element(0x0010, 0x1234, vr, value)]));
    expect(json(header)['00101234']).toEqual({ vr, Value: [expected] });
  });

  test('numbers that JSON has not are null', async () => {
    const nan = Buffer.alloc(16);
    nan.writeDoubleLE(Number.NaN, 0);
    nan.writeDoubleLE(2.5, 8);
    const { header } = await read(Buffer.concat([meta, element(0x0018, 0x9069, 'FD', nan)]));
    expect(json(header)['00189069']).toEqual({ vr: 'FD', Value: [null, 2.5] });
  });

  test('several values keep their places, also the empty ones', async () => {
    const { header } = await read(Buffer.concat([meta, element(0x0008, 0x0008, 'CS', 'ORIGINAL\\\\AXIAL')]));
    expect(json(header)['00080008']).toEqual({ vr: 'CS', Value: ['ORIGINAL', null, 'AXIAL'] });
  });
});
