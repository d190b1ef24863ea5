/** A synthesized stack, as the template tests look at it. */
import { readFileSync } from 'node:fs';
import type { Template } from 'aws-cdk-lib/assertions';
import { parse } from 'jsonc-parser';
import { z } from 'zod';
import { validateConfiguration } from '../../core/config/load.ts';
import { synthesizeTemplate } from '../../infra/synthesize-template.ts';

const source = { url: 'https://source.example.org/', auth: { bearer: { secretsManager: 'source-token' } } };
const target = { url: 'https://target.example.org/', auth: { bearer: { secretsManager: 'target-token' } } };

/** The smallest configuration with all parts of a mirror. */
export const plainConfiguration = { mirrors: { main: { source, targets: { standby: target }, archive: {} } } };

/** With everything that can be switched on. */
export const fullConfigurationFile = 'infra/full.config.jsonc';
export const fullConfiguration: unknown = parse(readFileSync(fullConfigurationFile, 'utf8'));

const resourcesSchema = z.record(
  z.string(),
  z.object({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).default({}) }),
);
const textOrListSchema = z.union([z.string().transform((text) => [text]), z.array(z.string())]);
const statementSchema = z.object({
  Effect: z.string(),
  Action: textOrListSchema,
  Resource: z.unknown(),
  Condition: z.unknown(),
});
const policySchema = z.object({
  PolicyDocument: z.object({
    Statement: z.array(statementSchema.extend({ Sid: z.string() }).partial({ Condition: true, Resource: true })),
  }),
});

/** Parts of the stack whose role has a policy. */
export type RoleName =
  | 'Scheduler'
  | 'Transfer'
  | 'LargeTransfer'
  | 'Verifier'
  | 'Status'
  | 'Webhook'
  | 'InboxTaker'
  | 'Opener'
  | 'Shards'
  | 'ShardsWorker'
  | 'Schedules';

/** A statement of a policy that is attached to a role. */
export type Statement = z.output<typeof policySchema>['PolicyDocument']['Statement'][number];

/** A synthesized stack, as the tests look at it. */
export class SynthesizedStack {
  readonly template: Template;

  constructor(configuration: unknown = plainConfiguration) {
    this.template = synthesizeTemplate(validateConfiguration(configuration, 'the test'));
  }

  /** Properties of the resources of a type whose logical id begins with `prefix`. */
  resources(type: string, prefix = ''): Record<string, unknown>[] {
    const found = resourcesSchema.parse(this.template.findResources(type));
    return Object.entries(found).flatMap(([id, { Properties }]) => (id.startsWith(prefix) ? [Properties] : []));
  }

  /** What a role may do. */
  statementsOf(name: RoleName): Statement[] {
    return this.resources('AWS::IAM::ManagedPolicy', `${name}Identity`)
      .map((properties) => policySchema.parse(properties))
      .flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
  }

  /** Every action that a role allows. */
  actionsOf(name: RoleName): string[] {
    return this.statementsOf(name)
      .filter(({ Effect }) => Effect === 'Allow')
      .flatMap(({ Action }) => Action)
      .toSorted();
  }
}
