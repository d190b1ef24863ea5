/** Keys, names, times and other short texts that somebody else may have written. */
import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../../../cli/duration.ts';
import { parseMoment, parseStudyDate } from '../../../core/archive-life/restore/moment.ts';
import { instanceAt, studyAt } from '../../../core/archive-life/restore/restored-keys.ts';
import { parseSubset } from '../../../core/archive-life/verify/subset.ts';
import { doneKey, parseArrivingKey, reasonKey, refusedKey } from '../../../core/cloud/inbox/inbox-keys.ts';
import { archivePrefixOf } from '../../../core/config/archive-location.ts';
import { fileKey, hostKeys, hostNameOf, isBackupId, parseFileKey } from '../../../core/host/backup/backup-keys.ts';
import { withoutDefiners } from '../../../core/host/backup/without-definers.ts';
import { customPlaceOf } from '../../../core/orthanc-disk/index/custom-data.ts';
import { indexedFile } from '../../../core/orthanc-disk/index/indexed-row.ts';
import { storageRoleOf } from '../../../core/orthanc-disk/storage/storage-names.ts';
import { printable, printableJson, shortenedAmid } from '../../../core/printable.ts';
import { parseArchiveLocation } from '../../../core/stores/archive/archive-location.ts';
import { checkKey } from '../../../core/stores/archive/key-check.ts';
import {
  attachmentKey,
  historyKey,
  instanceKey,
  keyTime,
  manifestKey,
  type ParsedKey,
  parseKey,
  parseKeyTime,
  patientKey,
  reportKey,
  stateKey,
  studyKey,
} from '../../../core/stores/archive/keys.ts';
import { decodeKey } from '../../../core/stores/archive/s3-versions.ts';
import { parseOrthancUrl } from '../../../core/stores/orthanc/address.ts';
import { parseEtag } from '../../../core/stores/orthanc/dicom-attachment.ts';
import { parseRetryAfter } from '../../../core/stores/orthanc/failures.ts';
import { mutatedBytes, mutatedTexts } from '../mutations.ts';
import { attempt, type FuzzTarget, inPieces, must, textOf } from '../target.ts';

const id = 'da39a3ee-5e6b4b0d-3255bfef-95601890-afd80709';
const md5 = '0cc175b9c0f1b6a831c399e269772661';
const time = '20261121T030201.123Z';

const keySeeds = [
  'archive.json',
  `instances/${id}/${md5}.dcm`,
  `studies/${id}/${time}-0cc175b9.json`,
  `patients/${id}/${time}-0cc175b9.json`,
  `attachments/studies/${id}/1024/${md5}`,
  `history/${id}/000001-current-${md5}.json`,
  `history/${id}/000002-removed.json`,
  `history/${id}/000003-imported-${md5}.json`,
  'state/main/cursor.json',
  'reports/replaced/x.json',
  `host-backups/pacs/files/0bc5b5c2-f5ab-4a8e-a3cf-3ab07ef1b6e1/${md5}${md5}`,
  'instances/../../etc/passwd',
];

/** What is understood of a key is written as the same key, and stays in its folder. */
async function checkKeys(input: Uint8Array): Promise<void> {
  const key = textOf(input);
  const parsed = parseKey(key);
  if (parsed !== undefined) must(keyOf(parsed) === key, 'a key is written otherwise than it was read');
  if ((await attempt(() => checkKey(key) === undefined)) === true) {
    must(!key.split('/').includes('..') && !key.startsWith('/'), 'a key leads elsewhere');
  }
  const keys = hostKeys('pacs');
  const file = parseFileKey(keys, key);
  if (key.startsWith(keys.files) && file !== undefined) {
    must(fileKey(keys, file.uuid, file.sha256) === key, 'a key of a host backup is written otherwise than it was read');
  }
  instanceAt(key);
  studyAt(key);
  storageRoleOf(key);
}

function keyOf(parsed: ParsedKey): string {
  switch (parsed.kind) {
    case 'manifest':
      return manifestKey;
    case 'instance':
      return instanceKey(parsed.id, parsed.md5);
    case 'study':
      return studyKey(parsed.id, parsed.at, parsed.hash8);
    case 'patient':
      return patientKey(parsed.id, parsed.at, parsed.hash8);
    case 'attachment':
      return attachmentKey(parsed.level, parsed.id, parsed.number, parsed.md5);
    case 'history':
      return historyKey(parsed);
    case 'state':
      return stateKey(parsed.name);
    case 'report':
      return reportKey(parsed.name);
  }
}

const inboxSeeds = ['new/ward/a.dcm', 'new/ward/a/b c.zip', 'new/', 'done/ward/x', 'new/ward/%C3%A4+b.dcm'];

async function checkInboxKeys(input: Uint8Array): Promise<void> {
  const key = textOf(input);
  await attempt(() => decodeKey(key));
  const place = parseArrivingKey(key);
  if (place === undefined) return;
  const beside = [doneKey(place), refusedKey(place), reasonKey(place)];
  must(!place.mirror.includes('/'), 'the name of a mirror is a path');
  for (const each of beside) must(/^(?:done|refused)\//.test(each), 'an object leaves its folder');
  if (Buffer.byteLength(key) <= 1024) {
    for (const each of beside) must(Buffer.byteLength(each) <= 1024, 'a key is longer than S3 permits');
  }
}

const momentSeeds = ['2026-11-21', '2026-11-21T10:30', '2026-11-21T10:30:05.5+01:00', '20261121', '2024-02-30', time];

async function checkMoments(input: Uint8Array): Promise<void> {
  const text = textOf(input);
  for (const dayMeans of ['start', 'end'] as const) {
    const moment = await attempt(() => parseMoment(text, dayMeans));
    if (moment !== undefined) must(!Number.isNaN(moment.getTime()), 'a time is none');
  }
  const date = await attempt(() => parseStudyDate(text));
  if (date !== undefined) must(/^\d{8}$/.test(date), 'a date has another form');
  const at = parseKeyTime(text);
  if (at !== undefined) must(keyTime(at) === text, 'a time is written otherwise than it was read');
  const retryMs = parseRetryAfter(text, 0);
  if (retryMs !== undefined) must(Number.isFinite(retryMs) && retryMs >= 0, 'a pause is none');
  try {
    must(Number.isFinite(parseDuration(text)), 'a duration is none');
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
  }
}

const placeSeeds = [
  'http://localhost:8042/',
  'https://a:b%40@host/orthanc/?x#y',
  's3://bucket/prefix/x',
  '/var/backups/orthanc',
  '3/30',
  '12.5%',
  `"3-${md5}"`,
  `W/"3-"`,
  'Orthanc Main_PACS',
];

async function checkPlaces(input: Uint8Array): Promise<void> {
  const text = textOf(input);
  const address = await attempt(() => parseOrthancUrl(text));
  if (address !== undefined) {
    const { username, password } = new URL(address.url);
    must(username === '' && password === '', 'an address holds credentials');
    const again = await attempt(() => parseOrthancUrl(address.url));
    must(again?.url === address.url, 'an address is read otherwise when it is read again');
  }
  const location = await attempt(() => parseArchiveLocation(text));
  if (location?.kind === 's3') must(!location.prefix.split('/').includes('..'), 'a prefix leads elsewhere');
  await attempt(() => parseSubset(text, 1), 'repeats what the user typed');
  parseEtag(text);
  const name = hostNameOf(text);
  must(hostKeys(name).host === name, 'a name that is made of a host cannot name it');
  isBackupId(text);
  must(archivePrefixOf('x', { archive: undefined } as never) === 'x/', 'a prefix depends on nothing');
}

function checkPrinting(input: Uint8Array): void {
  const text = textOf(input);
  for (const shown of [printable(text), printableJson({ [text]: text }), printable(shortenedAmid(text, 50))]) {
    must(!/(?![\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(shown), 'a text acts on a terminal');
  }
}

const dump = [
  '-- MariaDB dump',
  'CREATE TABLE `Resources` (`id` int);',
  '/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER x',
  'CREATE DEFINER=`a``b`@`%` PROCEDURE `p`()',
  "INSERT INTO `x` VALUES ('CREATE DEFINER=`a`@`b` PROCEDURE\\n');",
  '',
].join('\n');

/** What a dump becomes depends on its bytes, not on how they come; and only definers are taken out. */
async function checkDump(input: Uint8Array): Promise<void> {
  const whole = Buffer.concat(await Array.fromAsync(withoutDefiners(inPieces(input, Math.max(1, input.length)))));
  const pieces = Buffer.concat(await Array.fromAsync(withoutDefiners(inPieces(input, 5))));
  must(whole.equals(pieces), 'a dump becomes another one in small pieces');
  must(whole.length <= input.length, 'a dump grows');
  const lines = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1').split('\n');
  const [before, after] = [lines(input), lines(whole)];
  must(before.length === after.length, 'a dump loses lines');
  for (const [index, line] of before.entries()) {
    must(after[index] === line || line.includes('DEFINER='), 'a line without a definer is changed');
  }
}

async function checkIndexRows(input: Uint8Array): Promise<void> {
  customPlaceOf(input);
  let row: unknown;
  try {
    row = JSON.parse(textOf(input));
  } catch {
    return;
  }
  await attempt(() => indexedFile(row, 0));
}

const rowSeeds = [
  {
    uuid: id,
    fileType: 1,
    resourceType: 4,
    publicId: id,
    compression: 1,
    storedSize: '12',
    storedMd5: md5,
    contentSize: 12,
    contentMd5: null,
    customData: null,
  },
  { v: 1, o: true, p: '/data/x', s: 'a' },
].map((row) => JSON.stringify(row));

export const textTargets: readonly FuzzTarget[] = [
  { name: 'archive-keys', inputs: mutatedTexts(keySeeds), check: checkKeys, runs: 1000 },
  { name: 'inbox-keys', inputs: mutatedTexts(inboxSeeds), check: checkInboxKeys, runs: 1000 },
  { name: 'moments', inputs: mutatedTexts(momentSeeds), check: checkMoments, runs: 1000 },
  { name: 'places', inputs: mutatedTexts(placeSeeds), check: checkPlaces, runs: 1000 },
  { name: 'printing', inputs: mutatedTexts(['a\u009b\u202e😀', 'Müller^Jörg']), check: checkPrinting, runs: 1000 },
  { name: 'dump', inputs: mutatedBytes([Buffer.from(dump)]), check: checkDump, runs: 300 },
  { name: 'index-rows', inputs: mutatedTexts(rowSeeds), check: checkIndexRows, runs: 500 },
];
