/** What the policies of the buckets of a template deny to everybody, as far as it is decided locally. Pure. */
import { z } from 'zod';
import type { AccessRequest } from '../s3/access.ts';
import { type LocalValues, referredResource, resolveText } from './intrinsics.ts';
import { matches } from './role-permissions.ts';
import type { TemplateResources } from './template.ts';

const textsSchema = z.union([z.string().transform((text) => [text]), z.array(z.string())]);
const valuesSchema = z.union([z.array(z.unknown()), z.unknown().transform((value) => [value])]);

const policySchema = z.object({
  Bucket: z.unknown(),
  PolicyDocument: z.object({
    Statement: z.array(
      z.object({
        Effect: z.enum(['Allow', 'Deny']),
        Action: textsSchema,
        Resource: valuesSchema.optional(),
        NotResource: valuesSchema.optional(),
        Condition: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
      }),
    ),
  }),
});

/** A statement that denies something under conditions that are known here. */
export interface Denial {
  /** ARN of the bucket whose policy it is in: of no other does it say anything. */
  readonly bucket: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  /** Whether `resources` are those that are not meant. */
  readonly inverted: boolean;
  readonly conditions: readonly { readonly operator: string; readonly key: string; readonly value: string }[];
}

/** What a request is asked; the others, such as TLS, do not exist on loopback. */
const knownKeys = ['s3:if-none-match', 's3:ObjectCreationOperation', 'aws:PrincipalArn'];

/** The denials in the policies of buckets; those whose conditions are not known here are left out. */
export function denialsOf(resources: TemplateResources, values: LocalValues): Denial[] {
  return Object.values(resources)
    .filter(({ Type }) => Type === 'AWS::S3::BucketPolicy')
    .flatMap(({ Properties }) => {
      const { Bucket, PolicyDocument } = policySchema.parse(Properties);
      return PolicyDocument.Statement.map((statement) => ({ ...statement, Bucket }));
    })
    .flatMap(({ Bucket, Effect, Action, Resource, NotResource, Condition }) => {
      const conditions = Object.entries(Condition).flatMap(([operator, tests]) =>
        Object.entries(tests).map(([key, value]) => ({ operator, key, value: resolveText(value, values) })),
      );
      const isKnown = conditions.length > 0 && conditions.every(({ key }) => knownKeys.includes(key));
      if (Effect !== 'Deny' || !isKnown) return [];
      const bucket = values.attribute(referredResource(Bucket), 'Arn');
      const named = (Resource ?? NotResource ?? []).map((value) => resolveText(value, values));
      return [{ bucket, actions: Action, resources: named, inverted: NotResource !== undefined, conditions }];
    });
}

/** Whether a statement denies a request. All its conditions must hold. */
export function isDeniedBy(
  { bucket, actions, resources, inverted, conditions }: Denial,
  { accessKeyId = '', action, resource, conditions: asked = {} }: AccessRequest,
): boolean {
  if (resource !== bucket && !resource.startsWith(`${bucket}/`)) return false;
  const isMeant = resources.some((pattern) => matches(pattern, resource)) !== inverted;
  if (!isMeant || !actions.some((pattern) => matches(pattern, action))) return false;
  const known: Readonly<Record<string, string>> = { ...asked, 'aws:PrincipalArn': principalArn(accessKeyId) };
  return conditions.every(({ operator, key, value }) => holds(operator, known[key], value));
}

/** Who has this access key id, as policies name them. */
export function principalArn(accessKeyId: string): string {
  return `arn:aws:iam::000000000000:role/${accessKeyId}`;
}

function holds(operator: string, asked: string | undefined, value: string): boolean {
  switch (operator) {
    case 'Null':
      return String(asked === undefined) === value;
    case 'Bool':
      return asked === value;
    case 'ArnNotEquals':
      return asked !== value;
    default:
      throw new Error(`the local stack does not know the condition ${operator} of a policy of a bucket`);
  }
}
