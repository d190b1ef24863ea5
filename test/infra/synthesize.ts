/** Synthesizes the stack for the template tests, without bundling any code. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { z } from 'zod';
import { validateConfiguration } from '../../core/config/load.ts';
import { MirrorStack } from '../../infra/mirror-stack.ts';

/** The feature flags with which the stack is deployed. */
const deployedContext = z
  .object({ context: z.record(z.string(), z.unknown()) })
  .parse(JSON.parse(readFileSync('cdk.json', 'utf8'))).context;

const source = { url: 'https://source.example.org/', auth: { bearer: { secretsManager: 'source-token' } } };
const target = { url: 'https://target.example.org/', auth: { bearer: { secretsManager: 'target-token' } } };

/** The smallest configuration with all parts of a mirror. */
export const plainConfiguration = { mirrors: { main: { source, targets: { standby: target }, archive: {} } } };

/** With everything that can be switched on. */
export const fullConfiguration = {
  mirrors: {
    city: {
      source: { url: 'https://source.city.example.org/', auth: { bearer: { secretsManager: 'source-token' } } },
      targets: { one: target, two: { url: 'https://10.1.2.5:8443/' }, three: { url: 'https://10.1.3.5:8444/' } },
      archive: {},
    },
    harbour: { source, archive: { prefix: 'deep/harbour/' } },
  },
  cloud: {
    allowPrivateNetworks: true,
    webhook: { secret: { secretsManager: 'webhook' }, previousSecret: { secretsManager: 'webhook-before' } },
    alarms: { emails: ['pacs@example.org'] },
    objectLock: { mode: 'compliance', days: 3650 },
    storageClasses: { infrequentAccessAfterDays: 30, instantRetrievalAfterDays: 60, deepArchiveAfterDays: 365 },
    vpc: {
      vpcId: 'vpc-0a1b2c3d',
      subnets: [
        { subnetId: 'subnet-0a1b2c3d', availabilityZone: 'eu-central-1a', routeTableId: 'rtb-0a1b2c3d' },
        { subnetId: 'subnet-0a1b2c3e', availabilityZone: 'eu-central-1b', routeTableId: 'rtb-0a1b2c3e' },
      ],
      serverNetworks: ['10.1.2.0/23'],
      s3PrefixList: 'pl-0a1b2c3d',
    },
  },
};

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
export type RoleName = 'Scheduler' | 'Transfer' | 'Verifier' | 'Status' | 'Webhook' | 'Schedules';

/** A statement of a policy that is attached to a role. */
export type Statement = z.output<typeof policySchema>['PolicyDocument']['Statement'][number];

/** A synthesized stack, as the tests look at it. */
export class SynthesizedStack {
  readonly template: Template;

  constructor(configuration: unknown = plainConfiguration) {
    const outdir = mkdtempSync(join(tmpdir(), 'orthanc-mirror-template-'));
    const app = new App({ outdir, context: { ...deployedContext, 'aws:cdk:bundling-stacks': [] } });
    try {
      const stack = new MirrorStack(app, 'Stack', {
        configuration: validateConfiguration(configuration, 'the test'),
        configurationFile: 'only read when code is bundled',
      });
      this.template = Template.fromStack(stack);
    } finally {
      rmSync(outdir, { recursive: true });
    }
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
