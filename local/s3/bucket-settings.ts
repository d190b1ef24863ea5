/** Settings of a bucket. */
import { z } from 'zod';
import type { Answer, BucketCall } from './call.ts';
import { xmlAnswer } from './call.ts';
import { receiveText } from './incoming-body.ts';
import { fromXml, toXml } from './xml.ts';

export function getVersioning({ bucket }: BucketCall): Answer {
  return xmlAnswer(toXml('VersioningConfiguration', { Status: bucket.settings.versioning }));
}

export async function putVersioning({ bucket, request }: BucketCall): Promise<Answer> {
  const schema = z.object({ Status: z.enum(['Enabled', 'Suspended']) });
  const { Status } = fromXml(await receiveText(request), 'VersioningConfiguration', schema);
  await bucket.changeSettings({ ...bucket.settings, versioning: Status });
  return { status: 200 };
}

export function getLocation(): Answer {
  return xmlAnswer(toXml('LocationConstraint', {}));
}
