/** Everything about one study: what is attached to it, what it consists of, what became of each instance, and the proof. */
import { createHash } from 'node:crypto';
import { isMirrorError } from '../../errors.ts';
import type { InstanceId, OrthancId } from '../../identifiers.ts';
import { bytesOf, type MetadataValue } from '../../sidecars/metadata-value.ts';
import type { ResourceContent } from '../../sidecars/sidecar.ts';
import { recordsThatCount } from '../../stores/archive/history.ts';
import type { HistoryRecord } from '../../stores/archive/keys.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import type { StudyContent, StudyInstance } from '../reader/study-content.ts';
import { textOf } from '../reader/tag-text.ts';
import { uidOf } from '../search/candidates.ts';
import { notFound } from '../web/message.ts';

/** The study as the page shows it. Throws `WebError` 404. */
export async function studyPage(reader: ArchiveReader, id: OrthancId): Promise<unknown> {
  const content = await reader.study(id);
  if (content === undefined) throw notFound('such a study');
  const [patient, entry] = await Promise.all([reader.patient(content.patient), reader.entry(id)]);
  const document = content.sidecar?.document;
  return {
    study: id,
    entry,
    studyInstanceUid: content.instances[0] && uidOf(content.instances[0].tags.tags, 'StudyInstanceUID'),
    sidecar: content.sidecar && {
      key: content.sidecar.key,
      at: content.sidecar.at,
      /** Whether later ones are damaged. */
      isNewest: content.sidecar.isNewest,
    },
    patient: patient && { id: content.patient, ...attached(patient.document), protected: patient.document.protected },
    attached: document && attached(document),
    series: seriesOf(content),
    /** What the sidecar lists and the archive did not hold at the moment. */
    absent: content.absent,
  };
}

function attached({ labels, metadata, systemMetadata, namedMetadata, attachments }: ResourceContent): object {
  const texts = (values: Readonly<Record<string, MetadataValue>>) =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, Buffer.from(bytesOf(value)).toString('utf8')]),
    );
  return {
    labels,
    metadata: texts(metadata),
    systemMetadata: texts(systemMetadata),
    namedMetadata: texts(namedMetadata),
    attachments,
  };
}

function seriesOf({ instances, sidecar }: StudyContent): readonly unknown[] {
  const groups = Map.groupBy(instances, ({ series }) => series);
  return [...groups].map(([id, own]) => {
    const listed = sidecar?.document.series.find((series) => series.id === id);
    const [first] = own;
    return {
      id,
      uid: first && uidOf(first.tags.tags, 'SeriesInstanceUID'),
      number: first && textOf(first.tags.tags, 'SeriesNumber'),
      modality: first && textOf(first.tags.tags, 'Modality'),
      description: first && textOf(first.tags.tags, 'SeriesDescription'),
      attached: listed && attached(listed),
      instances: own.map(instanceJson),
    };
  });
}

function instanceJson(instance: StudyInstance): unknown {
  const { id, md5, sizeBytes, tags, record } = instance;
  return {
    id,
    md5,
    sizeBytes,
    uid: uidOf(tags.tags, 'SOPInstanceUID'),
    sopClass: textOf(tags.tags, 'SOPClassUID'),
    number: textOf(tags.tags, 'InstanceNumber'),
    frames: Number(textOf(tags.tags, 'NumberOfFrames') ?? 1),
    transferSyntax: tags.transferSyntax,
    hasPixelData: tags.hasPixelData,
    attached: record && attached(record),
  };
}

/** What the archive received of an instance and when, and when the source no longer had it. */
export async function instanceHistory(reader: ArchiveReader, id: InstanceId): Promise<unknown> {
  const history = await reader.archive.history.of(id);
  const { versions } = history;
  if (versions.length === 0) throw notFound('such an instance');
  const current = await reader.file(id);
  return {
    id,
    current: current?.file.md5,
    versions: versions.map(({ md5, sizeBytes, archivedAt }) => ({ md5, sizeBytes, at: archivedAt })),
    records: await Promise.all(
      recordsThatCount(history).map(async (record) => ({
        what: record.what,
        at: await timeOf(reader, record),
        md5: record.what === 'removed' ? undefined : record.md5,
      })),
    ),
  };
}

/** @returns `undefined` for a record that is damaged: the others are told all the same. */
async function timeOf({ archive }: ArchiveReader, record: HistoryRecord): Promise<Date | undefined> {
  try {
    return (await archive.history.read(record))?.at;
  } catch (error) {
    if (isMirrorError(error, 'history-damaged')) return undefined;
    throw error;
  }
}

/** Reads an instance now, and compares its hash with the one under which it was archived. */
export async function proveInstance(reader: ArchiveReader, id: InstanceId, signal: AbortSignal): Promise<unknown> {
  const found = await reader.file(id, { signal });
  if (found === undefined) throw notFound('such an instance');
  const { md5, sizeBytes } = found.file;
  const opened = await reader.archive.open(id, { md5, signal });
  const hash = createHash('md5');
  let readBytes = 0;
  for await (const chunk of opened.body) {
    hash.update(chunk);
    readBytes += chunk.length;
  }
  const readMd5 = hash.digest('hex');
  return { id, archived: { md5, sizeBytes }, read: { md5: readMd5, sizeBytes: readBytes }, isEqual: readMd5 === md5 };
}
