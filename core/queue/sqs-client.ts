import { SQSClient } from '@aws-sdk/client-sqs';

/**
 * A client of Amazon SQS; region and credentials are those of the AWS environment, and so is the endpoint unless one is
 * given.
 */
export function createSqsClient(endpoint?: string): SQSClient {
  return new SQSClient(endpoint === undefined ? {} : { endpoint });
}
