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
  PolicyDocument: z.object({ Statement: z.array(statementSchema.partial({ Condition: true, Resource: true })) }),
  Roles: z.array(z.object({ Ref: z.string() })),
});

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

  /** What the role of a function may do; `name` is how its logical id begins. */
  statementsOf(name: 'Scheduler' | 'Transfer'): Statement[] {
    return this.resources('AWS::IAM::Policy')
      .map((properties) => policySchema.parse(properties))
      .filter(({ Roles }) => Roles.some((role) => role.Ref.startsWith(`${name}Function`)))
      .flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
  }

  /** Every action that a function's role allows. */
  actionsOf(name: 'Scheduler' | 'Transfer'): string[] {
    return this.statementsOf(name)
      .flatMap(({ Action }) => Action)
      .toSorted();
  }
}
