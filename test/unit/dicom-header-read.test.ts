import { createHash } from 'node:crypto';
import { constants, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readDicom } from '../../core/dicom/dicom-header.ts';
import { element, elementHeader, sequenceMark, undefinedLength } from '../../core/dicom/encode.ts';
import { IdentifierReader, readIdentifyingElements } from '../../core/dicom/identifier-reader.ts';
import { canBe, encodingsGiving, givenIds } from '../../core/dicom/identifying-elements.ts';
import { type InstanceId, orthancIdOf } from '../../core/identifiers.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { generateNestedSequence } from '../../local/dicom/nested-sequence.ts';

const explicitLittle = '1.2.840.10008.1.2.1';

function metaHeader(transferSyntax: string, sopClass = '1.2.840.10008.5.1.4.1.1.7'): Buffer {
  const group = Buffer.concat([element(2, 2, 'UI', sopClass), element(2, 0x10, 'UI', transferSyntax)]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(group.length);
  return Buffer.concat([element(2, 0, 'UL', length), group]);
}

function fileOf(dataSet: Uint8Array, transferSyntax = explicitLittle, sopClass?: string): Buffer {
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), metaHeader(transferSyntax, sopClass), dataSet]);
}

async function* piecesOf(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

interface Fields {
  readonly characterSet?: string;
  readonly patientId?: Buffer;
  readonly after?: Buffer;
}

/** A data set with the identifiers p, 1.2, 1.2.3, 1.2.3.4 and what a test is about. */
function dataSet({ characterSet, patientId = Buffer.from('p'), after = Buffer.alloc(0) }: Fields = {}): Buffer {
  const padded = patientId.length % 2 === 0 ? patientId : Buffer.concat([patientId, Buffer.from(' ')]);
  return Buffer.concat([
    ...(characterSet === undefined ? [] : [element(8, 5, 'CS', characterSet)]),
    element(8, 0x18, 'UI', '1.2.3.4'),
    element(8, 0x20, 'DA', '20240229'),
    element(8, 0x50, 'SH', 'A1'),
    element(8, 0x60, 'CS', 'CT'),
    element(0x10, 0x20, 'LO', padded),
    element(0x20, 0x0d, 'UI', '1.2'),
    element(0x20, 0x0e, 'UI', '1.2.3'),
    after,
  ]);
}

async function read(bytes: Uint8Array, chunkBytes = 64) {
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  return readDicom(chunks());
}

async function headerOf(bytes: Uint8Array) {
  const reading = await read(bytes);
  if (reading.kind !== 'instance') throw new Error(`read as ${reading.kind}`);
  return reading.header;
}

describe('the header of a DICOM file', () => {
  test('tells the identifiers and the ids that Orthanc gives', async () => {
    expect(await headerOf(fileOf(dataSet()))).toMatchObject({
      instanceId: orthancIdOf('p', '1.2', '1.2.3', '1.2.3.4'),
      seriesId: orthancIdOf('p', '1.2', '1.2.3'),
      studyId: orthancIdOf('p', '1.2'),
      patientOrthancId: orthancIdOf('p'),
      studyDate: '20240229',
      accessionNumber: 'A1',
      modality: 'CT',
      transferSyntax: explicitLittle,
      hasPixelData: false,
      describesPixels: false,
    });
  });

  test('is read without preamble, and without meta header', async () => {
    const { instanceId } = await headerOf(fileOf(dataSet()));
    expect((await headerOf(fileOf(dataSet()).subarray(132))).instanceId).toBe(instanceId);
    expect((await headerOf(dataSet())).instanceId).toBe(instanceId);
  });

  test('is read in implicit VR, in big endian and deflated', async () => {
    const implicit = Buffer.concat(
      [
        [0x00080018, '1.2.3.4\0'],
        [0x00100020, 'p '],
        [0x0020000d, '1.2\0'],
        [0x0020000e, '1.2.3\0'],
      ].map(([tag, value]) => {
        const header = Buffer.alloc(8);
        header.writeUInt16LE(Number(tag) >>> 16, 0);
        header.writeUInt16LE(Number(tag) & 0xffff, 2);
        header.writeUInt32LE(String(value).length, 4);
        return Buffer.concat([header, Buffer.from(String(value))]);
      }),
    );
    const id = orthancIdOf('p', '1.2', '1.2.3', '1.2.3.4');
    expect((await headerOf(fileOf(implicit, '1.2.840.10008.1.2'))).instanceId).toBe(id);
    expect((await headerOf(fileOf(deflateRawSync(dataSet()), '1.2.840.10008.1.2.1.99'))).instanceId).toBe(id);
    const cut = deflateRawSync(Buffer.concat([dataSet(), element(0x7fe0, 0x10, 'OB', Buffer.alloc(9999, 'xyz'))]));
    expect(await read(fileOf(cut.subarray(0, -20), '1.2.840.10008.1.2.1.99'))).toMatchObject({ fault: 'cut' });
  });

  test('of a DICOMDIR is told apart', async () => {
    expect(await read(fileOf(dataSet(), explicitLittle, '1.2.840.10008.1.3.10'))).toEqual({ kind: 'dicomdir' });
  });

  test('without UIDs makes no instance', async () => {
    expect(await read(fileOf(element(8, 0x60, 'CS', 'CT')))).toEqual({ kind: 'without-uids', fault: undefined });
  });

  test.each([new Uint8Array(), Buffer.from('text'), Buffer.alloc(1024), Buffer.from('{"a":1}'.repeat(40))])(
    'is not seen in other bytes (%#)',
    async (bytes) => {
      expect(await read(bytes)).toEqual({ kind: 'not-dicom' });
    },
  );
});

// Each of these was given to a real server (1.10.1) with the same result.
describe('a PatientID', () => {
  const bytes = (hex: string) => Buffer.from(hex, 'hex');
  test.each([
    ['ends before its padding', 'ISO_IR 100', Buffer.from('ABC   '), 'ABC'],
    ['keeps leading blanks', 'ISO_IR 100', Buffer.from('  ABC '), '  ABC'],
    ['ends at a NUL', 'ISO_IR 100', Buffer.from('AB\0CDE'), 'AB'],
    ['keeps blanks before a NUL', 'ISO_IR 100', Buffer.from('AB \0'), 'AB '],
    ['is Latin-1', 'ISO_IR 100', bytes('4dfc'), 'Mü'],
    ['is Latin-1 where no character set is named', undefined, bytes('4dfc'), 'Mü'],
    ['is in the first character set that is named', '\\ISO 2022 IR 144', bytes('b1b2'), 'БВ'],
    ['loses what is not ASCII in an unknown character set', 'UNKNOWN', bytes('4dfc'), 'M'],
    ['loses what is not ASCII in ASCII', 'ISO_IR 6', bytes('4dfc'), 'M'],
    ['is UTF-8', 'ISO_IR 192', Buffer.from('Mü'), 'Mü'],
    ['loses what is not UTF-8', 'ISO_IR 192', bytes('4dfc'), 'M'],
    ['is Turkish', 'ISO_IR 148', bytes('4dfd'), 'Mı'],
    ['is Japanese', 'ISO_IR 13', bytes('b1b2'), 'ｱｲ'],
    ['is Kanji', 'ISO 2022 IR 87', bytes('1b24423b331b2842'), '山'],
    ['is Korean after an escape sequence', '\\ISO 2022 IR 149', bytes('1b242943b1e8'), '김'],
    ['is Chinese', 'GB18030', bytes('c4e3'), '你'],
    ['is Thai', 'ISO_IR 166', bytes('a1a2'), 'กข'],
  ])('%s', async (_, characterSet, patientId, expected) => {
    const fields = characterSet === undefined ? { patientId } : { patientId, characterSet };
    const header = await headerOf(fileOf(dataSet(fields)));
    expect(header.patientId).toBe(expected);
    expect(header.patientOrthancId).toBe(orthancIdOf(expected));
  });

  test('that is not ASCII has other ids on servers with another DefaultEncoding', async () => {
    const { otherInstanceIds } = await headerOf(fileOf(dataSet({ patientId: Buffer.from('Mü', 'latin1') })));
    expect(otherInstanceIds).toContain(orthancIdOf('M', '1.2', '1.2.3', '1.2.3.4'));
    expect((await headerOf(fileOf(dataSet()))).otherInstanceIds).toEqual([]);
  });
});

describe('the identifying elements of a DICOM file', () => {
  const identifiers = { studyInstanceUid: '1.2', seriesInstanceUid: '1.2.3', sopInstanceUid: '1.2.3.4' };
  const pixels = element(0x7fe0, 0x10, 'OB', Buffer.alloc(300_000, 'pixels'));

  test.each([
    ['in explicit VR', fileOf(dataSet({ after: pixels }))],
    ['without meta header', dataSet({ after: pixels })],
    ['deflated', fileOf(deflateRawSync(dataSet({ after: pixels })), '1.2.840.10008.1.2.1.99')],
    ['that begins with much else', fileOf(Buffer.concat([element(8, 6, 'OB', Buffer.alloc(200_000)), dataSet()]))],
  ])('are read %s, however the bytes are dealt out, and no further than they reach', (_, bytes) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), (chunkBytes) => {
        const reader = new IdentifierReader();
        let at = 0;
        for (; at < bytes.length && !reader.isDone; at += chunkBytes) reader.push(bytes.subarray(at, at + chunkBytes));
        expect(reader.finish()).toMatchObject({ ...identifiers, patientId: Buffer.from('p') });
        if (bytes.length > 250_000) expect(at).toBeLessThan(bytes.length / 2);
      }),
      { numRuns: 50 },
    );
  });

  const noise = Array.from({ length: 2000 }, (_, n) => createHash('sha512').update(`${n}`).digest('hex')).join('');
  const damaged = deflateRawSync(dataSet({ after: element(0x7fe0, 0x10, 'OB', noise) }));
  for (let at = 5000; at < 6000; at += 1) damaged[at] = at % 251;
  const metaGroup = [element(2, 1, 'OB', Buffer.alloc(70_000)), element(2, 0x10, 'UI', '1.2.840.10008.1.2.1.99')];

  test.each([
    ['is deflated, and damaged behind its identifiers', fileOf(damaged, '1.2.840.10008.1.2.1.99')],
    ['has a meta header without end', Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), ...metaGroup, dataSet()])],
  ])('are the same in one piece and in many where a file %s', async (_, bytes) => {
    const whole = readIdentifyingElements(bytes);
    const reading = await readDicom(piecesOf(bytes, bytes.length));
    for (const pieceBytes of [100, 1000, 4096, 5000, 66_000]) {
      const reader = new IdentifierReader();
      for await (const piece of piecesOf(bytes, pieceBytes)) reader.push(piece);
      expect(reader.finish(), String(pieceBytes)).toEqual(whole);
      expect(await readDicom(piecesOf(bytes, pieceBytes)), String(pieceBytes)).toEqual(reading);
    }
  });

  test('include a PatientID that stands in the wrong place', () => {
    const late = Buffer.concat([
      element(8, 0x18, 'UI', '1.2.3.4'),
      element(0x20, 0x0d, 'UI', '1.2'),
      element(0x20, 0x0e, 'UI', '1.2.3'),
      element(0x10, 0x20, 'LO', 'late'),
    ]);
    expect(readIdentifyingElements(fileOf(late))).toMatchObject({ patientId: Buffer.from('late') });
  });

  test.each([
    ['other bytes', Buffer.from('some text that is no DICOM file at all'.repeat(10))],
    ['nothing', Buffer.alloc(0)],
    ['a file without a UID', fileOf(element(0x10, 0x20, 'LO', 'p '))],
    ['deflated bytes that are damaged', fileOf(Buffer.alloc(100, 0xff), '1.2.840.10008.1.2.1.99')],
  ])('are not found in %s', (_, bytes) => {
    expect(readIdentifyingElements(bytes)).toBeUndefined();
  });

  test('tell which instance a file can be, whatever the DefaultEncoding of its server was', () => {
    const elements = readIdentifyingElements(fileOf(dataSet({ patientId: Buffer.from('Mü', 'latin1') })));
    if (elements === undefined) throw new Error('it has its identifiers');
    const idOf = (patientId: string) => orthancIdOf(patientId, '1.2', '1.2.3', '1.2.3.4') as InstanceId;
    expect(['Mü', 'M', 'Mь', 'X'].map((patientId) => canBe(elements, idOf(patientId)))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(encodingsGiving(elements, idOf('Mь'))).toEqual(['Windows1251']);
    expect(givenIds(elements, 'Latin1')).toEqual({ id: idOf('Mü'), otherIds: [], isCertain: true });
    expect(givenIds(elements, undefined)).toMatchObject({ id: idOf('Mü'), isCertain: false });
  });
});

describe('the structure of a DICOM file', () => {
  const sequence = (inner: Buffer) =>
    Buffer.concat([
      elementHeader(0x40, 0xa730, 'SQ', undefinedLength),
      sequenceMark(0xe000, undefinedLength),
      inner,
      sequenceMark(0xe00d, 0),
      sequenceMark(0xe0dd, 0),
    ]);
  const fragments = Buffer.concat([
    elementHeader(0x7fe0, 0x10, 'OB', undefinedLength),
    sequenceMark(0xe000, 0),
    sequenceMark(0xe000, 6),
    Buffer.from('abcdef'),
    sequenceMark(0xe0dd, 0),
  ]);
  const explicitSequence = element(
    0x40,
    0xa730,
    'SQ',
    Buffer.concat([sequenceMark(0xe000, 10), element(8, 0x60, 'CS', 'MR')]),
  );
  const whole = fileOf(
    dataSet({ after: Buffer.concat([sequence(element(0x10, 0x20, 'LO', 'no')), explicitSequence, fragments]) }),
  );

  test('is whole, and the elements of its sequences are not taken for its own', async () => {
    expect(await read(whole, 7)).toMatchObject({ fault: undefined, header: { patientId: 'p', hasPixelData: true } });
  });

  test('is found cut wherever it is cut but between two elements', async () => {
    const atBoundary = new Set<number>();
    for (let end = whole.length - 1; end >= fileOf(dataSet()).length; end -= 1) {
      const reading = await read(whole.subarray(0, end), 1000);
      if (reading.kind === 'instance' && reading.fault === undefined) atBoundary.add(end);
      else expect(reading).toMatchObject({ fault: 'cut' });
    }
    expect([...atBoundary].map((end) => whole.subarray(end, end + 4).toString('hex'))).toEqual([
      'e07f1000',
      '400030a7',
      '400030a7',
    ]);
  });

  test('may end in zeros behind the pixels, and in nothing else', async () => {
    expect(await read(Buffer.concat([whole, Buffer.alloc(64)]))).toMatchObject({ fault: undefined });
    expect(await read(Buffer.concat([whole, Buffer.from('some junk behind')]))).toMatchObject({
      fault: expect.any(String),
    });
  });

  test('with zeros where elements should be is broken', async () => {
    expect(await read(fileOf(dataSet({ after: Buffer.alloc(5000) })))).toMatchObject({ fault: 'broken' });
  });

  test('that would crash a server is recognised', async () => {
    const deep = generateNestedSequence(placeOfNth('deep', 0), 20_000);
    expect(await read(deep.bytes, 65_536)).toMatchObject({ fault: 'nested-too-deeply' });
    const shallow = generateNestedSequence(placeOfNth('deep', 1), 20);
    expect(await read(shallow.bytes)).toMatchObject({ fault: undefined, header: { instanceId: shallow.id } });
  });

  test('is read the same however the bytes are dealt out', async () => {
    const { bytes, id } = generateInstance(placeOfNth('chunks', 0), 4096);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5000 }), async (chunkBytes) => {
        expect(await read(bytes, chunkBytes)).toMatchObject({ header: { instanceId: id }, fault: undefined });
      }),
      { numRuns: 50 },
    );
  });

  test('never throws, whatever the bytes are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: whole.length - 1 }),
        fc.uint8Array({ maxLength: 60 }),
        async (at, noise) => {
          const damaged = Buffer.from(whole);
          damaged.set(noise.subarray(0, damaged.length - at), at);
          expect((await read(damaged)).kind).toBeTypeOf('string');
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a deflated data set', () => {
  const deflatedLittle = '1.2.840.10008.1.2.1.99';
  const piece = Buffer.alloc(1024 * 1024);
  /** An instance whose pixels are so many MiB of zeros: the same deflated piece again and again. */
  function bomb(pixelMebibytes: number): Buffer {
    const header = elementHeader(0x7fe0, 0x10, 'OB', pixelMebibytes * piece.length);
    const [begin, middle] = [Buffer.concat([dataSet(), header]), piece].map((bytes) =>
      deflateRawSync(bytes, { finishFlush: constants.Z_FULL_FLUSH }),
    );
    const middles = Array.from({ length: pixelMebibytes }, () => middle ?? piece);
    return fileOf(Buffer.concat([begin ?? piece, ...middles, deflateRawSync(Buffer.alloc(0))]), deflatedLittle);
  }
  const tooFar = bomb(300);

  test('that unfolds to a thousand times its size is not read to its end, and told', async () => {
    expect(tooFar.length).toBeLessThan(400_000);
    expect(await read(tooFar, 65_536)).toMatchObject({ kind: 'instance', fault: 'unfolds-too-far' });
  });

  test('that unfolds to what a server can bear is whole', async () => {
    expect(await read(bomb(64), 65_536)).toMatchObject({ kind: 'instance', fault: undefined });
  });

  test('is read by whoever hashes it to its end, however far it would unfold', async () => {
    let seen = 0;
    async function* counted() {
      for (let at = 0; at < tooFar.length; at += 10_000) {
        const chunk = tooFar.subarray(at, at + 10_000);
        seen += chunk.length;
        yield chunk;
      }
    }
    expect(await readDicom(counted())).toMatchObject({ fault: 'unfolds-too-far' });
    expect(seen).toBe(tooFar.length);
  });
});
