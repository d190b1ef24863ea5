/** The id that a server will give is computed before anything is sent: held against what real servers answer. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { characterSetTerms, type OrthancEncoding, orthancEncodings } from '../../core/dicom/charset.ts';
import { readIdentifyingElements } from '../../core/dicom/identifier-reader.ts';
import { canBe, dependsOnDefaultEncoding, type GivenIds, givenIds } from '../../core/dicom/identifying-elements.ts';
import { type InstanceId, isInstanceId } from '../../core/identifiers.ts';
import { identifiedFile } from '../../local/dicom/identified-file.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { sampleFiles } from '../support/sample-files.ts';

/** Well-formed text in each encoding. */
const texts: Readonly<Record<OrthancEncoding, string>> = {
  Ascii: '41422e',
  Utf8: '4dc3bcf09f9880',
  Latin1: '4dfce9',
  Latin2: '4db1e8',
  Latin3: '4da1f8',
  Latin4: '4da1bf',
  Latin5: '4dfdfe',
  Cyrillic: '4db1f2',
  Windows1251: '4de0ff',
  Arabic: '4dc7e4',
  Greek: '4de1fe',
  Hebrew: '4de0fa',
  Thai: '4da1fb',
  Japanese: '4db1b283418342',
  Chinese: '4dc4e3bac3',
  JapaneseKanji: '1b24423b331b2842',
  Korean: '4db1e8',
  SimplifiedChinese: '4dc4e3bac3',
};

/** What is in no encoding, or is read differently by the versions of Orthanc. */
const oddTexts = ['41c242', '41805c7e42', '410a1b7f42', '41ff42', '1b242943b1e8', '415c42', '2041202e20'];

const everyText = [...Object.values(texts), ...oddTexts].map((hex) => Buffer.from(hex, 'hex'));

interface Compared {
  readonly given: GivenIds;
  readonly answered: InstanceId | undefined;
}

describe.each([oldOrthanc(), newOrthanc()])('the id that Orthanc $version gives', ({ version }) => {
  let server: OrthancServer;
  let files = 0;
  beforeAll(async () => {
    server = await startOrthanc({ version });
  });
  afterAll(() => server?.stop());

  /** @returns `undefined` for a file that the server refuses */
  async function upload(bytes: Uint8Array): Promise<InstanceId | undefined> {
    const answer = await fetch(`${server.url}/instances`, { method: 'POST', body: Uint8Array.from(bytes) });
    const { ID } = z.looseObject({ ID: z.string().optional() }).parse(await answer.json());
    return answer.ok && isInstanceId(ID) ? ID : undefined;
  }

  async function readIn(encoding: OrthancEncoding): Promise<void> {
    const answer = await fetch(`${server.url}/tools/default-encoding`, { method: 'PUT', body: encoding });
    expect(answer.ok).toBe(true);
  }

  /** Uploads a file with this PatientID; an id that is certain must be the one that the server gives. */
  async function compare(patientId: Uint8Array, encoding: OrthancEncoding, term?: string): Promise<Compared> {
    files += 1;
    const bytes = identifiedFile({ uid: `1.2.3.${files}`, patientId, specificCharacterSet: term });
    const elements = readIdentifyingElements(bytes);
    if (elements === undefined) throw new Error('a generated file has its identifiers');
    const given = givenIds(elements, encoding);
    const answered = await upload(bytes);
    const about = `${Buffer.from(patientId).toString('hex')} in ${term ?? encoding}`;
    if (given.isCertain) expect([about, given.id]).toEqual([about, answered]);
    return { given, answered };
  }

  test.each(orthancEncodings)(
    'is computed where the file names no character set and DefaultEncoding is %s',
    async (encoding) => {
      await readIn(encoding);
      for (const text of everyText) await compare(text, encoding);
      const { given, answered } = await compare(Buffer.from(texts[encoding], 'hex'), encoding);
      expect([given.id, ...given.otherIds]).toContain(answered);
    },
  );

  test.each([...characterSetTerms, 'iso_ir 100', 'UNKNOWN', '\\ISO 2022 IR 149', 'ISO 2022 IR 6\\ISO 2022 IR 100'])(
    'is computed where the file names the character set %s',
    async (term) => {
      await readIn('Latin1');
      for (const text of everyText) await compare(text, 'Latin1', term);
    },
  );

  test.each([
    'Ascii',
    'Utf8',
    'Latin1',
    'Latin2',
    'Latin5',
    'Cyrillic',
    'Windows1251',
    'Greek',
    'Hebrew',
    'Thai',
  ] as const)('is certain for well-formed text in %s', async (encoding) => {
    await readIn(encoding);
    const { given } = await compare(Buffer.from(texts[encoding], 'hex'), encoding);
    expect(given.isCertain).toBe(true);
  });

  test('is computed for real files, and told by the server under every encoding that matters', async () => {
    const accepted: string[] = [];
    const wrong: string[] = [];
    const all = await sampleFiles('ids');
    for (const [index, bytes] of all.entries()) {
      const elements = readIdentifyingElements(bytes);
      const isDependent = elements !== undefined && dependsOnDefaultEncoding(elements);
      const encodings: readonly OrthancEncoding[] = isDependent
        ? ['Latin1', 'Utf8', 'Ascii', 'Japanese', 'Chinese', 'Cyrillic']
        : ['Latin1'];
      for (const encoding of encodings) {
        await readIn(encoding);
        const answered = await upload(bytes);
        if (answered === undefined) continue;
        accepted.push(answered);
        const given = elements && givenIds(elements, encoding);
        const isRight = given?.id === answered || (given?.isCertain === false && given.otherIds.includes(answered));
        if (elements === undefined || !isRight || !canBe(elements, answered))
          wrong.push(`file ${index} in ${encoding}: ${answered}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(accepted.length).toBeGreaterThan(50);
  });
});
