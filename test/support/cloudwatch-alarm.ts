/** Decides about alarms of a template as CloudWatch does, over data points that a test feeds. */
import { z } from 'zod';

/** A value of a metric at a minute. */
export interface DataPoint {
  readonly minute: number;
  readonly value: number;
}

/** What a metric shows, by its name: the points of `destination` where it has that dimension. */
export type Series = (metric: string, destination: string | undefined) => readonly DataPoint[];

const metricSchema = z.object({
  MetricName: z.string(),
  Dimensions: z.array(z.object({ Name: z.string(), Value: z.unknown() })).default([]),
});
export const evaluatedAlarmSchema = z
  .object({
    AlarmDescription: z.string(),
    ComparisonOperator: z.enum(['GreaterThanThreshold', 'LessThanThreshold']),
    EvaluationPeriods: z.int().positive(),
    DatapointsToAlarm: z.undefined().optional(),
    Threshold: z.number(),
    TreatMissingData: z.enum(['breaching', 'notBreaching']),
    MetricName: z.string().optional(),
    Dimensions: metricSchema.shape.Dimensions,
    Statistic: z.enum(['Sum', 'Maximum', 'Minimum']).optional(),
    Period: z.int().optional(),
    Metrics: z
      .array(
        z.object({
          Expression: z
            .string()
            .regex(/^MAX\(\[[m\d,]+\]\)$/)
            .optional(),
          MetricStat: z
            .object({ Metric: metricSchema, Period: z.int(), Stat: z.enum(['Sum', 'Maximum', 'Minimum']) })
            .optional(),
        }),
      )
      .default([]),
  })
  .transform((alarm) => {
    const own =
      alarm.MetricName === undefined
        ? []
        : [
            {
              name: alarm.MetricName,
              dimensions: alarm.Dimensions,
              stat: alarm.Statistic,
              periodSeconds: alarm.Period,
            },
          ];
    const listed = alarm.Metrics.flatMap(({ MetricStat }) =>
      MetricStat === undefined
        ? []
        : [
            {
              name: MetricStat.Metric.MetricName,
              dimensions: MetricStat.Metric.Dimensions,
              stat: MetricStat.Stat,
              periodSeconds: MetricStat.Period,
            },
          ],
    );
    return { ...alarm, metrics: [...own, ...listed] };
  });
export type EvaluatedAlarm = z.output<typeof evaluatedAlarmSchema>;

/** Names of the metrics that an alarm looks at. */
export function metricsOf({ metrics }: EvaluatedAlarm): string[] {
  return [...new Set(metrics.map(({ name }) => name))];
}

/**
 * The minutes at which an alarm goes off within `minutes`: as many periods in a row breach as it evaluates. Several metrics
 * are one: the highest of each period. Source:
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
 */
export function alarmedAt(alarm: EvaluatedAlarm, series: Series, minutes: number): number[] {
  const [first] = alarm.metrics;
  if (first?.periodSeconds === undefined) throw new Error(`${alarm.AlarmDescription} looks at nothing`);
  const periodMinutes = first.periodSeconds / 60;
  const alarmed: number[] = [];
  let inARow = 0;
  for (let from = 0; from + periodMinutes <= minutes; from += periodMinutes) {
    const values = alarm.metrics.flatMap(({ name, dimensions, stat }) => {
      const destination = dimensions.find(({ Name }) => Name === 'destination')?.Value;
      const points = series(name, typeof destination === 'string' ? destination : undefined);
      return aggregate(
        points.flatMap(({ minute, value }) => (minute >= from && minute < from + periodMinutes ? [value] : [])),
        stat ?? 'Maximum',
      );
    });
    inARow = isBreaching(values, alarm) ? inARow + 1 : 0;
    if (inARow === alarm.EvaluationPeriods) alarmed.push(from + periodMinutes);
  }
  return alarmed;
}

function aggregate(values: readonly number[], stat: 'Sum' | 'Maximum' | 'Minimum'): number[] {
  if (values.length === 0) return [];
  if (stat === 'Sum') return [values.reduce((sum, one) => sum + one, 0)];
  return [stat === 'Maximum' ? Math.max(...values) : Math.min(...values)];
}

function isBreaching(values: readonly number[], alarm: EvaluatedAlarm): boolean {
  if (values.length === 0) return alarm.TreatMissingData === 'breaching';
  const value = Math.max(...values);
  return alarm.ComparisonOperator === 'GreaterThanThreshold' ? value > alarm.Threshold : value < alarm.Threshold;
}
