import { describe, expect, it } from 'vitest';
import { sortMetadata } from '../../core/sidecars/metadata-names.ts';
import type { StudyCapabilities } from '../../core/sidecars/study-server.ts';

const capabilities: StudyCapabilities = {
  apiVersion: 27,
  hasExtendedFind: true,
  hasAttachmentInfo: true,
  hasLabels: true,
  checkRevisions: false,
  hasPatientLevel: true,
  listsProtection: false,
  metadataNumbers: undefined,
};
const listed = {
  1030: 'numbered',
  4202: 'cache',
  7: 'system number',
  Named: 'named',
  ReceptionDate: '20240229T120000',
  PixelDataOffset: '3220',
  SomethingNew: 'unknown',
};

describe('metadata as a server lists them', () => {
  it('are sorted by the names that the server tells (1.12.0 and newer): all others are its own', () => {
    expect(sortMetadata(listed, { ...capabilities, metadataNumbers: { Named: 1050 } }, {})).toEqual({
      metadata: { 1030: 'numbered', 1050: 'named' },
      systemMetadata: { 7: 'system number', ReceptionDate: '20240229T120000', SomethingNew: 'unknown' },
      namedMetadata: {},
    });
  });

  it('keep names without numbers apart on older servers, unless the numbers are configured', () => {
    expect(sortMetadata(listed, capabilities, {})).toEqual({
      metadata: { 1030: 'numbered' },
      systemMetadata: { 7: 'system number', ReceptionDate: '20240229T120000' },
      namedMetadata: { Named: 'named', SomethingNew: 'unknown' },
    });
    const configured = sortMetadata(listed, capabilities, { metadataNumbers: { Named: 1050, SomethingNew: 4202 } });
    expect(configured.metadata).toEqual({ 1030: 'numbered', 1050: 'named' });
    expect(configured.namedMetadata).toEqual({});
  });

  it('copy what a configured skip list does not name', () => {
    const skip = { attachments: [], metadata: [[1025, 1040] as const] };
    expect(sortMetadata(listed, capabilities, { skip }).metadata).toEqual({ 4202: 'cache' });
  });
});
