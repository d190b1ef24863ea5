/**
 * What AWS charges, in US dollars, for us-east-1 (N. Virginia), without free tiers, discounts and taxes. This is the
 * only place with prices. Look them up again (aws.amazon.com: S3, Lambda, SQS, KMS, CloudWatch "pricing") and change
 * the date when you change one.
 */

/** When the prices were noted down, by hand and without asking AWS: compare them with the price pages before you rely on them. */
export const pricesOf = '2026-11-21';
export const priceRegion = 'us-east-1';

export const storageClasses = ['standard', 'infrequent-access', 'instant-retrieval', 'deep-archive'] as const;
export type StorageClass = (typeof storageClasses)[number];

export interface StoragePrice {
  readonly perGibMonth: number;
  readonly perThousandPuts: number;
  /** Moving one object into the class by a lifecycle rule, per thousand. */
  readonly perThousandTransitions: number;
  readonly perThousandGets: number;
  /** Reading back. */
  readonly perGibRetrieved: number;
  /** Smaller objects are charged as if they were so large. */
  readonly smallestBytes: number;
  /** Who deletes earlier pays for so many days. */
  readonly shortestDays: number;
}

export const storagePrices: Readonly<Record<StorageClass, StoragePrice>> = {
  standard: {
    perGibMonth: 0.023,
    perThousandPuts: 0.005,
    perThousandTransitions: 0,
    perThousandGets: 0.0004,
    perGibRetrieved: 0,
    smallestBytes: 0,
    shortestDays: 0,
  },
  'infrequent-access': {
    perGibMonth: 0.0125,
    perThousandPuts: 0.01,
    perThousandTransitions: 0.01,
    perThousandGets: 0.001,
    perGibRetrieved: 0.01,
    smallestBytes: 128 * 1024,
    shortestDays: 30,
  },
  'instant-retrieval': {
    perGibMonth: 0.004,
    perThousandPuts: 0.02,
    perThousandTransitions: 0.02,
    perThousandGets: 0.01,
    perGibRetrieved: 0.03,
    smallestBytes: 128 * 1024,
    shortestDays: 90,
  },
  'deep-archive': {
    perGibMonth: 0.00099,
    perThousandPuts: 0.05,
    perThousandTransitions: 0.05,
    perThousandGets: 0.0004,
    perGibRetrieved: 0.02,
    // 32 KiB of the object's own class and 8 KiB of Standard are added to every object.
    smallestBytes: 40 * 1024,
    shortestDays: 180,
  },
};

export const servicePrices = {
  /** SQS, standard queue. */
  perMillionQueueRequests: 0.4,
  perMillionInvocations: 0.2,
  /** Lambda on arm64, per GiB of memory and second. */
  perGibSecond: 0.0000133334,
  /** EventBridge Scheduler. */
  perMillionSchedules: 1,
  perKmsKeyMonth: 1,
  perSecretMonth: 0.4,
  perGibOfLogs: 0.5,
  perAlarmMonth: 0.1,
  perMetricMonth: 0.3,
  /** Out of AWS to a target elsewhere; first 10 TiB of a month. */
  perGibToInternet: 0.09,
} as const;
