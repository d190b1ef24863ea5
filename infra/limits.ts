/**
 * What AWS takes at most of a template and of the policies in it. Whatever goes beyond would synthesize and then fail, or
 * half fail, at the deployment. Sizes are those of the longest texts that references can become. The number of resources
 * is checked by the CDK itself. Pure.
 */
import * as z from 'zod';
import { MirrorError } from '../core/errors.ts';

/** Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html; white space does not count. */
export const largestManagedPolicy = 6144;
/** Source: the same page. */
const mostManagedPolicies = 10;
/** Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html */
const largestTemplateBytes = 1_000_000;
/** Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const largestEnvironment = 4096;

/** Policies within other resources, by type: where they stand, and their most characters. */
const resourcePolicies: Readonly<Record<string, { readonly property: string; readonly largest: number }>> = {
  'AWS::IAM::ManagedPolicy': { property: 'PolicyDocument', largest: largestManagedPolicy },
  'AWS::S3::BucketPolicy': { property: 'PolicyDocument', largest: 20_480 },
  'AWS::SQS::QueuePolicy': { property: 'PolicyDocument', largest: 8192 },
  'AWS::SNS::TopicPolicy': { property: 'PolicyDocument', largest: 30_720 },
  'AWS::KMS::Key': { property: 'KeyPolicy', largest: 32_768 },
  'AWS::EC2::VPCEndpoint': { property: 'PolicyDocument', largest: 20_480 },
};

/** Most characters of what a reference becomes. */
const longestOfReference: Readonly<Record<string, number>> = {
  'AWS::Partition': 10,
  'AWS::Region': 16,
  'AWS::AccountId': 12,
  'AWS::URLSuffix': 16,
};
/** Anything else is an ARN or a name that CloudFormation makes, of which those of log groups are the longest. */
const longestOther = 160;

const templateSchema = z.object({
  Resources: z.record(
    z.string(),
    z.object({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).default({}) }),
  ),
});
type Resource = z.output<typeof templateSchema>['Resources'][string];

/** Throws `configuration`, telling everything for which AWS would refuse the template. */
export function requireWithinLimits(template: unknown): void {
  const { Resources } = templateSchema.parse(template);
  const found = [
    excess('the template', 'bytes', Buffer.byteLength(JSON.stringify(template)), largestTemplateBytes),
    ...Object.entries(Resources).flatMap(([id, resource]) => excessesOf(id, resource)),
  ].filter((problem) => problem !== undefined);
  if (found.length > 0) {
    throw new MirrorError(
      'configuration',
      `AWS would refuse the stack: ${found.join('; ')}. Spread the mirrors over several stacks, with a configuration each.`,
    );
  }
}

function excessesOf(id: string, { Type, Properties }: Resource): (string | undefined)[] {
  const policy = resourcePolicies[Type];
  const { ManagedPolicyArns = [], Policies = [], Environment } = propertiesSchema.parse(Properties);
  return [
    ...(policy === undefined
      ? []
      : [excess(id, 'characters', longestLength(Properties[policy.property]), policy.largest)]),
    ...(Type === 'AWS::IAM::Role'
      ? [
          excess(id, 'policies', ManagedPolicyArns.length, mostManagedPolicies),
          // Permissions stand in managed policies only, whose sizes are bounded one by one.
          excess(id, 'inline policies', Policies.length, 0),
        ]
      : []),
    ...(Type === 'AWS::Lambda::Function'
      ? [excess(id, 'characters of environment', longestLength(Environment), largestEnvironment)]
      : []),
  ];
}

const propertiesSchema = z.object({
  ManagedPolicyArns: z.array(z.unknown()).optional(),
  Policies: z.array(z.unknown()).optional(),
  Environment: z.unknown().optional(),
});

function excess(what: string, unit: string, count: number, most: number): string | undefined {
  return count > most ? `${what} has ${count} ${unit}, at most ${most} are allowed` : undefined;
}

const referenceSchema = z.union([
  z.strictObject({ Ref: z.string() }).transform(({ Ref }) => longestOfReference[Ref] ?? longestOther),
  z.strictObject({ 'Fn::GetAtt': z.unknown() }).transform(() => longestOther),
  z.strictObject({ 'Fn::ImportValue': z.unknown() }).transform(() => longestOther),
  z.strictObject({ 'Fn::Select': z.unknown() }).transform(() => longestOther),
]);
const joinSchema = z.strictObject({ 'Fn::Join': z.tuple([z.string(), z.array(z.unknown())]) });

/** @returns the most characters that a value of a template can have as JSON without white space */
export function longestLength(value: unknown): number {
  const quotes = 2;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null).length;
  if (Array.isArray(value)) return sumOf(value.map(longestLength)) + quotes + Math.max(0, value.length - 1);
  const reference = referenceSchema.safeParse(value);
  if (reference.success) return reference.data + quotes;
  const join = joinSchema.safeParse(value);
  if (join.success) {
    const [separator, parts] = join.data['Fn::Join'];
    return sumOf(parts.map((part) => longestLength(part) - quotes + separator.length)) + quotes;
  }
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return sumOf(fields.map(([name, field]) => JSON.stringify(name).length + 1 + longestLength(field) + 1)) + 1;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0);
}
