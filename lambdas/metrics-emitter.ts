/**
 * Metrics of the functions. They are summed up during an invocation and written at its end as one log line per mirror,
 * or per mirror and destination, which CloudWatch turns into metrics (embedded metric format).
 */
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { MiddlewareObj } from '@middy/core';
import {
  countersOf,
  type FunctionName,
  type MetricDefinition,
  type MetricName,
  type MetricUnitName,
  metricDefinitions,
} from '../core/cloud/metrics/metrics.ts';

/** What a metric is about. Configured names only. */
export interface MetricSubject {
  readonly mirror?: string;
  readonly destination?: string;
}

interface Collected {
  readonly subject: MetricSubject;
  readonly values: Map<MetricName, number>;
}

const units = {
  Count: MetricUnit.Count,
  Bytes: MetricUnit.Bytes,
  Seconds: MetricUnit.Seconds,
} as const satisfies Record<MetricUnitName, string>;

const collected = new Map<string, Collected>();

/** Adds to a counter. */
export function count(metric: MetricName, value: number, subject: MetricSubject = {}): void {
  const { values } = collectedFor(subject);
  values.set(metric, (values.get(metric) ?? 0) + value);
}

/** Says what a gauge shows. */
export function measure(metric: MetricName, value: number, subject: MetricSubject): void {
  collectedFor(subject).values.set(metric, value);
}

/** Writes the metrics of an invocation at its end, also if it failed. */
export function emitMetrics(functionName: FunctionName): MiddlewareObj {
  const emit = (): void => emitCollected(functionName);
  return { after: emit, onError: emit };
}

function collectedFor(subject: MetricSubject): Collected {
  const key = `${subject.mirror ?? ''}/${subject.destination ?? ''}`;
  const found = collected.get(key) ?? { subject, values: new Map() };
  collected.set(key, found);
  return found;
}

function emitCollected(functionName: FunctionName): void {
  for (const { subject, values } of collected.values()) {
    const zeros = countersOf(functionName, kindOf(subject)).map((name): [MetricName, number] => [name, 0]);
    emit(subject, new Map([...zeros, ...values]));
  }
  collected.clear();
}

function kindOf({ mirror, destination }: MetricSubject): MetricDefinition['per'] {
  if (destination !== undefined) return 'destination';
  return mirror === undefined ? 'stack' : 'mirror';
}

function emit(subject: MetricSubject, values: ReadonlyMap<MetricName, number>): void {
  const metrics = new Metrics({ defaultDimensions: { ...subject } });
  for (const [name, value] of values) {
    metrics.addMetric(name, units[metricDefinitions[name].unit], value);
  }
  metrics.publishStoredMetrics();
}
