/** DICOM files: what they are, whether they are whole, and what identifies them. */
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import {
  characterSetOf,
  isOrthancEncoding,
  isSameEverywhere,
  orthancEncodings,
  readText,
} from '../../../core/dicom/charset.ts';
import { type DicomReading, readDicom } from '../../../core/dicom/dicom-header.ts';
import { element } from '../../../core/dicom/encode.ts';
import { IdentifierReader, readIdentifyingElements } from '../../../core/dicom/identifier-reader.ts';
import { everyId } from '../../../core/dicom/identifying-elements.ts';
import { isInstanceId } from '../../../core/identifiers.ts';
import { sniff } from '../../../core/import/sniff.ts';
import { generateInstances } from '../../../local/dicom/generate.ts';
import { placeOfNth } from '../../../local/dicom/identifiers.ts';
import { generateNestedSequence } from '../../../local/dicom/nested-sequence.ts';
import { sampleFiles } from '../../support/sample-files.ts';
import { mutatedBytes } from '../mutations.ts';
import { type FuzzTarget, inPieces, must, mustEqual } from '../target.ts';

/** Longer files say no more about a parser, and take longer to change. */
const longestSeedBytes = 64 * 1024;

async function dicomSeeds(): Promise<readonly Uint8Array[]> {
  const real = (await sampleFiles('fuzz')).filter(({ length }) => length <= longestSeedBytes);
  const generated = [...generateInstances('fuzz', 3, 2048)].map(({ bytes }) => bytes);
  const dataSet = Buffer.concat([
    element(8, 5, 'CS', 'ISO_IR 192'),
    element(8, 0x18, 'UI', '1.2.3.4'),
    element(0x10, 0x20, 'LO', Buffer.from('Äb')),
    element(0x20, 0x0d, 'UI', '1.2'),
    element(0x20, 0x0e, 'UI', '1.2.3'),
  ]);
  const files = [
    fileOf('1.2.840.10008.1.2.1', dataSet),
    fileOf('1.2.840.10008.1.2.1.99', deflateRawSync(dataSet)),
    fileOf('1.2.840.10008.1.2.2', Buffer.from(dataSet).swap16()),
    fileOf('1.2.840.10008.1.2', Buffer.from('08001800080000003100320033003400', 'hex')),
  ];
  return [...real, ...generated, dataSet, ...files, generateNestedSequence(placeOfNth('fuzz', 0), 30).bytes];
}

function fileOf(transferSyntax: string, dataSet: Uint8Array): Buffer {
  const group = Buffer.concat([
    element(2, 2, 'UI', '1.2.840.10008.5.1.4.1.1.7'),
    element(2, 0x10, 'UI', transferSyntax),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(group.length);
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), element(2, 0, 'UL', length), group, dataSet]);
}

/** One look at an input, with what it cost. */
async function read(input: Uint8Array, pieceBytes: number): Promise<DicomReading> {
  let given = 0;
  async function* counted() {
    for await (const piece of inPieces(input, pieceBytes)) {
      given += piece.length;
      yield piece;
    }
  }
  const reading = await readDicom(counted());
  must(given === input.length, 'whoever hashes the same bytes has not seen them all');
  return reading;
}

async function checkDicom(input: Uint8Array): Promise<void> {
  const whole = await read(input, Math.max(1, input.length));
  mustEqual(whole, await read(input, 7), 'it reads otherwise in small pieces');
  sniff(Buffer.from(input.subarray(0, 1024)), input.length);
  checkIdentifiers(input, whole);
  if (whole.kind !== 'instance') return;
  const { instanceId, otherInstanceIds, patientId, sopInstanceUid, studyInstanceUid } = whole.header;
  must([instanceId, ...otherInstanceIds].every(isInstanceId), 'it gives an id of another form');
  must(otherInstanceIds.length <= orthancEncodings.length, 'it gives more ids than there are encodings');
  // An element that is kept has 4 KiB at most, and a character of one byte becomes three of UTF-8 at most.
  for (const text of [patientId, sopInstanceUid, studyInstanceUid]) must(text.length <= 4096, 'it keeps a long text');
}

/** Whoever looks no further than the identifiers reach sees the same ones. */
function checkIdentifiers(input: Uint8Array, whole: DicomReading): void {
  const elements = readIdentifyingElements(input);
  const reader = new IdentifierReader();
  for (let at = 0; at < input.length && !reader.isDone; at += 7) reader.push(input.subarray(at, at + 7));
  mustEqual(reader.finish(), elements, 'it finds other identifiers in small pieces');
  if (whole.kind !== 'instance' || elements === undefined) return;
  const { instanceId, otherInstanceIds } = whole.header;
  const ids = new Set([instanceId, ...otherInstanceIds]);
  must(
    everyId(elements).every((id) => ids.has(id)),
    'an early look gives another id',
  );
}

function checkCharset(input: Uint8Array): void {
  const name = orthancEncodings[(input[0] ?? 0) % orthancEncodings.length];
  must(isOrthancEncoding(name), 'an encoding does not know its own name');
  const termBytes = (input[1] ?? 0) % 40;
  const characterSet = characterSetOf(Buffer.from(input.subarray(2, 2 + termBytes)).toString('latin1'), name);
  const bytes = input.subarray(2 + termBytes);
  const { text, otherTexts, isCertain } = readText(bytes, characterSet);
  for (const each of [text, ...otherTexts])
    must(each.length <= 2 * bytes.length + 2, 'a text is longer than its bytes');
  must(!isCertain || otherTexts.length === 0, 'what is certain can be read in two ways');
  must(!isSameEverywhere(bytes) || isCertain, 'what reads the same everywhere is not certain');
}

const terms = ['ISO_IR 100', 'ISO 2022 IR 87', '\\ISO 2022 IR 149', 'GB18030', 'ISO_IR 192', 'ISO_IR 13', ''];
const names = ['Yamada^Tarou=山田^太郎=やまだ^たろう', 'Hong^Gildong', 'Äneas^Öl', 'a\u001b$Bb\u001b(B', 'Люкceмбypг'];

export async function dicomTargets(): Promise<readonly FuzzTarget[]> {
  const charsetSeeds = terms.flatMap((term) =>
    names.map((name) => Buffer.concat([Buffer.from([7, term.length]), Buffer.from(term), Buffer.from(name)])),
  );
  return [
    { name: 'dicom', inputs: mutatedBytes(await dicomSeeds()), check: checkDicom, runs: 150 },
    {
      name: 'charset',
      inputs: fc.oneof(mutatedBytes(charsetSeeds), fc.uint8Array({ maxLength: 300 })),
      check: checkCharset,
      runs: 1000,
    },
  ];
}
