import { MirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import type { OrthancCapabilities } from './capabilities.ts';

type Limits = Pick<
  OrthancCapabilities,
  'version' | 'maximumPatientCount' | 'maximumStorageSizeMb' | 'maximumStorageMode'
>;

/** The error of an instance that a server said to have stored and does not hold, with the likely reason. */
export function lostInstance(name: string, id: InstanceId, limits: Limits): MirrorError {
  return new MirrorError(
    'not-held',
    `${name} took the instance ${id} and does not hold it any more: ${whyLost(limits)}`,
  );
}

/** Orthanc deletes its oldest patients at a limit; 1.10.1 tells neither of the two, 1.12.4 both. */
function whyLost({ version, maximumPatientCount, maximumStorageSizeMb, maximumStorageMode }: Limits): string {
  const set = [
    ...(maximumPatientCount ? [`MaximumPatientCount ${maximumPatientCount}`] : []),
    ...(maximumStorageSizeMb && maximumStorageMode !== 'reject'
      ? [`MaximumStorageSize ${maximumStorageSizeMb} MB`]
      : []),
  ];
  if (set.length > 0) return `it deletes its oldest patients to make room (${set.join(', ')}); remove the limit`;
  const untold = [
    ...(maximumPatientCount === undefined ? ['MaximumPatientCount'] : []),
    ...(maximumStorageSizeMb === undefined ? ['MaximumStorageSize'] : []),
  ];
  const somebody = 'somebody, or a script, deleted it there';
  if (untold.length === 0) return somebody;
  return `it deletes its oldest patients to make room (look for ${untold.join(' and ')}, which ${version} does not tell), or ${somebody}`;
}
