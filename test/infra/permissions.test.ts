import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import {
  acknowledgedFindings,
  acknowledgedForInbox,
  acknowledgedWithoutVpc,
  acknowledgedWithSecretWebhook,
} from '../../infra/acknowledged-findings.ts';
import { permissionsDocument } from '../../infra/permissions-document.ts';
import { fullConfiguration, type RoleName, SynthesizedStack } from './synthesize.ts';

const stack = new SynthesizedStack(fullConfiguration);

test('docs/permissions.md tells exactly what the template grants', () => {
  expect(readFileSync('docs/permissions.md', 'utf8')).toBe(permissionsDocument(stack.template.toJSON()));
});

test('nothing can be granted without a reason', () => {
  const template = structuredClone(stack.template.toJSON());
  const text = JSON.stringify(template).replace('"Sid":"ReadArchive"', '"Sid":"ReadEverything"');
  expect(() => permissionsDocument(JSON.parse(text))).toThrow('no reason for the permission ReadEverything');
});

test('roles get their permissions from their own policy alone', () => {
  stack.template.resourceCountIs('AWS::IAM::Policy', 0);
  for (const role of stack.resources('AWS::IAM::Role')) {
    expect(role).not.toHaveProperty('Policies');
    const policies = z.array(z.strictObject({ Ref: z.string().includes('IdentityPolicy') })).min(1);
    expect(policies.safeParse(role.ManagedPolicyArns).success).toBe(true);
  }
});

const roles: readonly RoleName[] = ['Scheduler', 'Transfer', 'Verifier', 'Status', 'Webhook', 'Opener', 'Schedules'];

test.each(roles)('every permission of %s names its actions one by one', (name) => {
  expect(stack.actionsOf(name).filter((action) => action.includes('*'))).toEqual([]);
});

test.each(roles)('%s may delete nothing but its messages and its network interfaces', (name) => {
  const deleting = stack.actionsOf(name).filter((action) => /delete|purge|bypass/i.test(action));
  const harmless = ['sqs:DeleteMessage', 'ec2:DeleteNetworkInterface'];
  expect(deleting.filter((action) => !harmless.includes(action))).toEqual([]);
});

test.each([
  ['with a VPC, an inbox and a webhook', { ...acknowledgedForInbox, ...acknowledgedWithSecretWebhook }],
  ['without a VPC, with a webhook', { ...acknowledgedWithoutVpc, ...acknowledgedWithSecretWebhook }],
])('at most ten rules of cdk-nag are acknowledged, each with a reason: %s', (_what, further) => {
  const wildcards = 1; // IAM5: each wildcard is acknowledged by itself, with the reason of its permission
  const findings = { ...acknowledgedFindings, ...further };
  expect(Object.keys(findings).length + wildcards).toBeLessThanOrEqual(10);
  for (const reason of Object.values(findings)) {
    expect(reason.length).toBeGreaterThan(40);
  }
});
