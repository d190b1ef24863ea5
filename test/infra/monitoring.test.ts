import { readFileSync } from 'node:fs';
import { Match } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { metricDefinitions } from '../../core/cloud/metrics/metrics.ts';
import { fullConfiguration, plainConfiguration, SynthesizedStack } from './synthesize.ts';

const stack = new SynthesizedStack(fullConfiguration);
const { template } = stack;

const metricSchema = z.object({
  MetricName: z.string(),
  Namespace: z.string(),
  Dimensions: z.array(z.object({ Name: z.string(), Value: z.unknown() })).default([]),
});
const alarmSchema = z.object({
  AlarmDescription: z.string(),
  AlarmActions: z.array(z.unknown()).min(1),
  OKActions: z.array(z.unknown()).min(1),
  TreatMissingData: z.enum(['breaching', 'notBreaching']),
  MetricName: z.string().optional(),
  Namespace: z.string().optional(),
  Metrics: z.array(z.object({ MetricStat: z.object({ Metric: metricSchema }).optional() })).default([]),
});
const alarms = stack.resources('AWS::CloudWatch::Alarm').map((properties) => alarmSchema.parse(properties));

/** Severity, what it is about, and the anchor of its chapter. */
const described = alarms.map(({ AlarmDescription }) => {
  const [severity = '', about = '', rest = ''] = AlarmDescription.split(' · ');
  return { severity, about, anchor: /docs\/runbook\.md#([a-z-]+)$/.exec(rest)?.[1] ?? '' };
});
const anchors = [...new Set(described.map(({ anchor }) => anchor))].toSorted();

test('every alarm has a chapter in the runbook, which tells how severe it is, and every chapter has an alarm', () => {
  const chapters = readFileSync('docs/runbook.md', 'utf8').split(/^## /m).slice(1);
  const names = chapters.map((chapter) => chapter.split('\n')[0] ?? '');
  expect(names.toSorted()).toEqual(anchors);
  for (const { anchor, severity } of described) {
    expect(chapters[names.indexOf(anchor)]).toContain(`**Severity: ${severity}.**`);
  }
});

test('every alarm is a page or a ticket', () => {
  expect(new Set(described.map(({ severity }) => severity))).toEqual(new Set(['page', 'ticket']));
});

test('each mirror has all its alarms, whatever other mirrors there are', () => {
  const of = (mirror: string) =>
    described.flatMap(({ about, anchor }) => (about === mirror ? [anchor] : [])).toSorted();
  expect(of('harbour')).toEqual(of('city'));
  expect(of('city')).toEqual([
    'comparison-late',
    'conflicts',
    'inbox-refused',
    'instances-damaged',
    'instances-pending',
    'mirror-paused',
    'source-not-followed',
    'status-missing',
    'verification-late',
  ]);
});

test('each queue of a mirror alarms when its messages are not worked on', () => {
  const stuck = described.flatMap(({ about, anchor }) => (anchor === 'queue-stuck' ? [about] : []));
  const lanes = ['backlog', 'inbox', 'large', 'new'];
  expect(stuck.toSorted()).toEqual(['city', 'harbour'].flatMap((mirror) => lanes.map((lane) => `${mirror} ${lane}`)));
});

test('a source that nobody follows and a mirror that nobody measures alarm by their silence, and nothing else does', () => {
  const silent = described.filter((_, index) => alarms[index]?.TreatMissingData === 'breaching');
  expect(new Set(silent.map(({ anchor }) => anchor))).toEqual(new Set(['source-not-followed', 'status-missing']));
});

test('no alarm and no graph waits for a metric that no function emits', () => {
  const known = Object.keys(metricDefinitions);
  const metrics = alarms.flatMap(({ MetricName, Namespace, Metrics }) => [
    { MetricName, Namespace },
    ...Metrics.flatMap(({ MetricStat }) => MetricStat?.Metric ?? []),
  ]);
  const watched = metrics.flatMap(({ MetricName, Namespace }) => (Namespace === 'OrthancMirror' ? [MetricName] : []));
  expect(watched.length).toBeGreaterThan(15);
  expect(watched.filter((name) => name === undefined || !known.includes(name))).toEqual([]);
  const [dashboard] = stack.resources('AWS::CloudWatch::Dashboard');
  const text = JSON.stringify(dashboard);
  const drawn = [...text.matchAll(/\\"OrthancMirror\\",\\"(\w+)\\"/g)].map(([, name]) => name ?? '');
  expect(drawn.length).toBeGreaterThan(30);
  expect(drawn.filter((name) => !known.includes(name))).toEqual([]);
});

test('what is pending is watched at every destination of a mirror, the worst of them counts', () => {
  const [city] = alarms.filter(
    (_, index) => described[index]?.about === 'city' && described[index]?.anchor === 'instances-pending',
  );
  const destinations = city?.Metrics.flatMap(({ MetricStat }) =>
    (MetricStat?.Metric.Dimensions ?? []).flatMap(({ Name, Value }) => (Name === 'destination' ? [Value] : [])),
  );
  expect(destinations?.toSorted()).toEqual(['archive', 'research', 'standby', 'teaching']);
});

test('the threshold of the lag is the configured one', () => {
  const quick = new SynthesizedStack({ ...plainConfiguration, cloud: { alarms: { lagMinutes: 10 } } });
  quick.template.hasResourceProperties('AWS::CloudWatch::Alarm', {
    AlarmDescription: Match.stringLikeRegexp('instances-pending$'),
    Threshold: 600,
  });
});

test('the topic of the alarms is encrypted, takes nothing without TLS, and lets CloudWatch tell', () => {
  template.hasResourceProperties('AWS::SNS::Topic', { KmsMasterKeyId: Match.anyValue() });
  template.hasResourceProperties('AWS::SNS::TopicPolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        Match.objectLike({
          Effect: 'Allow',
          Action: 'sns:Publish',
          Principal: { Service: 'cloudwatch.amazonaws.com' },
        }),
      ]),
    },
  });
});

test('configured addresses get the alarms by mail', () => {
  template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'pacs@example.org' });
});

test('a topic of your own is told instead', () => {
  const topic = 'arn:aws:sns:eu-central-1:123456789012:hospital-alarms';
  const own = new SynthesizedStack({ ...plainConfiguration, cloud: { alarms: { topic } } });
  own.template.resourceCountIs('AWS::SNS::Topic', 0);
  own.template.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [topic] });
});

test('the dashboard shows what is restored, and what became of the inbox where there is one', () => {
  const textOf = (one: SynthesizedStack) => JSON.stringify(one.resources('AWS::CloudWatch::Dashboard'));
  for (const metric of ['Restored', 'RestoredBytes', 'InboxTaken', 'InboxRefused', 'InboxFoundAgain']) {
    expect(textOf(stack)).toContain(`\\"${metric}\\"`);
  }
  expect(textOf(new SynthesizedStack())).not.toContain('Inbox');
});

test('the dashboard shows every mirror with its destinations, and the state of every alarm', () => {
  const [dashboard] = stack.resources('AWS::CloudWatch::Dashboard');
  const text = JSON.stringify(dashboard);
  for (const shown of ['## city', '## harbour', 'standby', 'research', 'teaching', 'archive']) {
    expect(text).toContain(shown);
  }
  expect(text.match(/"Fn::GetAtt":\["Monitoring\w+","Arn"\]/g)).toHaveLength(alarms.length);
});
