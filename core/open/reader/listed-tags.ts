/** The attributes of an instance that are kept for lists: Orthanc's main tags, and what QIDO-RS always returns. */
import { tagNamed } from '../../dicom/dictionary.ts';

/** By level, Orthanc's names (`DicomMap.cpp`, and `/tools/…` of 1.12 and 1.13). */
export const mainTags = {
  patients: ['PatientName', 'PatientBirthDate', 'PatientSex', 'OtherPatientIDs', 'PatientID'],
  studies: [
    'StudyDate',
    'StudyTime',
    'StudyID',
    'StudyDescription',
    'AccessionNumber',
    'StudyInstanceUID',
    'RequestedProcedureDescription',
    'InstitutionName',
    'RequestingPhysician',
    'ReferringPhysicianName',
    'TimezoneOffsetFromUTC',
  ],
  series: [
    'SeriesDate',
    'SeriesTime',
    'Modality',
    'Manufacturer',
    'StationName',
    'SeriesDescription',
    'BodyPartExamined',
    'SequenceName',
    'ProtocolName',
    'SeriesNumber',
    'CardiacNumberOfImages',
    'ImagesInAcquisition',
    'NumberOfTemporalPositions',
    'NumberOfSlices',
    'NumberOfTimeSlices',
    'SeriesInstanceUID',
    'ImageOrientationPatient',
    'SeriesType',
    'OperatorsName',
    'PerformedProcedureStepDescription',
    'AcquisitionDeviceProcessingDescription',
    'ContrastBolusAgent',
    'PerformedProcedureStepStartDate',
    'PerformedProcedureStepStartTime',
    'RequestAttributesSequence',
  ],
  instances: [
    'InstanceCreationDate',
    'InstanceCreationTime',
    'AcquisitionNumber',
    'ImageIndex',
    'InstanceNumber',
    'NumberOfFrames',
    'TemporalPositionIdentifier',
    'SOPInstanceUID',
    'ImagePositionPatient',
    'ImageComments',
    'ImageOrientationPatient',
    'SOPClassUID',
    'Rows',
    'Columns',
    'BitsAllocated',
  ],
} as const;

/** Their tags. */
export const listedTags: ReadonlySet<number> = new Set(
  ['SpecificCharacterSet', ...Object.values(mainTags).flat()].map((keyword) => {
    const tag = tagNamed(keyword);
    if (tag === undefined) throw new Error(`the dictionary lacks ${keyword}`);
    return tag;
  }),
);
