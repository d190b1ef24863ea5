import { SQSClient } from '@aws-sdk/client-sqs';

/**
 * A client of Amazon SQS; region and credentials are those of the AWS environment, and so is the endpoint unless one is
 * given: in a VPC the address of a queue is not where it is reached.
 */
export function createSqsClient(endpoint?: string): SQSClient {
  return new SQSClient({ useQueueUrlAsEndpoint: false, ...(endpoint === undefined ? {} : { endpoint }) });
}
