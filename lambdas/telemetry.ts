/** Log and metrics of the functions. What may appear in a log line is listed here; nothing else is ever logged. */
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { isMirrorError } from '../core/errors.ts';

export const logger = new Logger();
export const metrics = new Metrics();

/** The fields of a log line beside its fixed message: ids, hashes, numbers, configured names and codes only. */
export interface LogFields {
  readonly mirror?: string | undefined;
  readonly kind?: string;
  readonly id?: string | undefined;
  readonly messageId?: string;
  readonly destination?: string;
  readonly outcome?: string;
  readonly verdict?: string;
  readonly code?: string | undefined;
  /** Message of a MirrorError, which holds neither patient data nor a secret. */
  readonly reason?: string | undefined;
  /** Class of an error that is none of ours: its message is not logged, because nobody vouches for it. */
  readonly errorName?: string | undefined;
  readonly receiveCount?: number;
  readonly waitMs?: number | undefined;
  readonly announced?: number;
  readonly compared?: number;
  readonly conflicts?: number;
  readonly durationMs?: number;
}

/** The fields that tell about an error, without its own words unless they are ours. */
export function errorFields(error: unknown): LogFields {
  if (isMirrorError(error)) {
    return { code: error.code, reason: error.message, errorName: nameOf(error.cause) };
  }
  return { errorName: nameOf(error) };
}

function nameOf(error: unknown): string | undefined {
  return error instanceof Error ? error.name : undefined;
}

/** Counts into a metric of the function. */
export function count(metric: string, value: number): void {
  metrics.addMetric(metric, MetricUnit.Count, value);
}
