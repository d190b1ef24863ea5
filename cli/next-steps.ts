/** How what an error advises is done on the command line: `core` knows no options. */
import type { Advice, MirrorError } from '../core/errors.ts';

const nextSteps: Readonly<Record<Advice, string>> = {
  'give-certificate-authority': '--source-ca or --target-ca names its file',
  'give-client-certificate': '--source-cert and --source-key, or --target-cert and --target-key, name their files',
  'give-endpoint': '--endpoint gives its address',
  'give-master-key': 'give it by --master-key ID:FILE',
  'name-other-servers': 'name another one by --source or --target',
  'name-other-stores': 'name another one by --source, --target or --archive',
  'name-source': 'name it by --source',
  'name-storage-folder': '--other-storage names it',
  'choose-backup': '--backup names one',
  'choose-folder': 'name it by --to FOLDER',
  'choose-work-folder': '--work names one',
  'repair-archive': 'run `orthanc-mirror verify --repair --source URL --archive ARCHIVE`',
  'repair-target': 'run `orthanc-mirror restore --repair`',
  'replace-version': 'run with --replace',
  'accept-risk': '--force goes on regardless',
  'accept-without-pixel-data': 'import with --accept-without-pixel-data',
  'allow-more-removals': 'give their number by --max-removals',
  'stop-server': 'run `orthanc-mirror audit`, or back up with --stop and --start, or with --allow-missing',
  'succeed-source': 'run once with --succeed',
};

/** What a user of the command line is told: what is wrong, and what to do about it here. */
export function withNextStep(reason: string, advice: Advice | undefined): string {
  return advice === undefined ? reason : `${reason}; ${nextSteps[advice]}`;
}

/** The same of an error. */
export function reasonOf({
  message,
  advice,
}: Pick<MirrorError, 'message'> & Partial<Pick<MirrorError, 'advice'>>): string {
  return withNextStep(message, advice);
}
