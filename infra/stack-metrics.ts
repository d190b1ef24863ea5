/** The metrics of the functions, as CloudWatch knows them. */
import { Duration } from 'aws-cdk-lib';
import { type IMetric, MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { type MetricName, metricDefinitions, metricsNamespace } from '../core/cloud/metrics/metrics.ts';
import { destinationNames, verifiedNames } from '../core/config/destination-names.ts';
import type { MirrorConfiguration } from '../core/config/schema.ts';
import type { MirrorCondition } from './alarm-definitions.ts';

export interface Window {
  readonly statistic: string;
  readonly period: Duration;
}

/** A metric of what `dimensions` name: a mirror, or a mirror and a destination. */
export function metricOf(
  name: MetricName,
  dimensions: Readonly<Record<string, string>>,
  { statistic, period }: Window,
  label: string = name,
): Metric {
  return new Metric({
    namespace: metricsNamespace,
    metricName: name,
    dimensionsMap: { service: metricDefinitions[name].emittedBy, ...dimensions },
    statistic,
    period,
    label,
  });
}

/** What a condition looks at; the highest of all destinations where there is one value for each. */
export function worstOfDestinations(
  condition: MirrorCondition,
  mirror: string,
  configuration: MirrorConfiguration,
): IMetric {
  const { metric, statistic, periodMinutes } = condition;
  const window = { statistic, period: Duration.minutes(periodMinutes) };
  if (metricDefinitions[metric].per !== 'destination') {
    return metricOf(metric, { mirror }, window);
  }
  const names = metric === 'OldestUnverifiedSeconds' ? verifiedNames(configuration) : destinationNames(configuration);
  const each = names.map((destination) => metricOf(metric, { mirror, destination }, window));
  const [only] = each;
  if (each.length === 1 && only !== undefined) {
    return only;
  }
  return new MathExpression({
    expression: `MAX([${each.map((_, index) => `m${index}`).join(',')}])`,
    usingMetrics: Object.fromEntries(each.map((one, index) => [`m${index}`, one])),
    period: window.period,
    label: metric,
  });
}
