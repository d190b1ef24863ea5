/** What references in a template mean on this machine. */
import type { LocalValues } from './intrinsics.ts';
import { LocalBuckets } from './local-buckets.ts';
import type { LocalQueues } from './local-queues.ts';
import type { StackTemplate } from './template.ts';

export const region = 'us-east-1';
const account = '000000000000';

/** The names that AWS gives to what a template refers to, as they are here. */
export function localValues(template: StackTemplate, queues: LocalQueues): LocalValues {
  const isQueue = (id: string) => template.queues.some(({ logicalId }) => logicalId === id);
  const isBucket = (id: string) => template.buckets.some(({ logicalId }) => logicalId === id);
  const pseudo: Readonly<Record<string, string>> = {
    'AWS::Region': region,
    'AWS::AccountId': account,
    'AWS::Partition': 'aws',
    'AWS::URLSuffix': 'amazonaws.com',
  };
  return {
    ref(name) {
      if (isQueue(name)) {
        return queues.url(name);
      }
      const value = isBucket(name) ? LocalBuckets.nameOf(name) : pseudo[name];
      if (value === undefined) {
        throw new Error(`the local stack does not know what {"Ref": "${name}"} is`);
      }
      return value;
    },
    attribute(resource, attribute) {
      if (isQueue(resource) && attribute === 'Arn') {
        return queues.arn(resource);
      }
      if (isBucket(resource) && attribute === 'Arn') {
        return `arn:aws:s3:::${LocalBuckets.nameOf(resource)}`;
      }
      throw new Error(`the local stack does not know the attribute ${attribute} of ${resource}`);
    },
  };
}
