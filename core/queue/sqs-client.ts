import { SQSClient } from '@aws-sdk/client-sqs';

/** A client of Amazon SQS; region, endpoint and credentials are those of the AWS environment. */
export function createSqsClient(): SQSClient {
  return new SQSClient();
}
