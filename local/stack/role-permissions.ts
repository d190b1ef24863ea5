/** What the roles of the functions may do, read from a template, as far as it is decided locally. Pure. */
import { z } from 'zod';
import type { IsAllowed } from '../s3/access.ts';
import { type LocalValues, referredResource, resolveText } from './intrinsics.ts';
import type { StackTemplate, TemplateResources } from './template.ts';

const textsSchema = z.union([z.string().transform((text) => [text]), z.array(z.string())]);
const valuesSchema = z.union([z.array(z.unknown()), z.unknown().transform((value) => [value])]);

const policySchema = z.object({
  PolicyDocument: z.object({
    Statement: z.array(
      z.object({
        Effect: z.enum(['Allow', 'Deny']),
        Action: textsSchema,
        Resource: valuesSchema,
        Condition: z.unknown().optional(),
      }),
    ),
  }),
});

const roleSchema = z.object({ ManagedPolicyArns: z.array(z.unknown()).default([]) });

/** A statement of a role with the names of things as they are called here. */
export interface LocalStatement {
  readonly effect: 'Allow' | 'Deny';
  readonly actions: readonly string[];
  readonly resources: readonly string[];
}

const decidedServices = ['s3', 'secretsmanager'];

/** Access key id by which a function is known here. */
export function accessKeyIdOf(functionName: string): string {
  return `function-${functionName}`;
}

/** Lets each function do what its role allows. Who is no function of the template, such as a test, may do everything. */
export function permissionsOf(template: StackTemplate, values: LocalValues): IsAllowed {
  const byKey = new Map(
    template.functions.map(({ name, role }) => [
      accessKeyIdOf(name),
      statementsOfRole(template.resources, role, decidedServices, values),
    ]),
  );
  return ({ accessKeyId = '', action, resource }) => {
    const statements = byKey.get(accessKeyId);
    return statements === undefined || isAllowedBy(statements, action, resource);
  };
}

/** The statements of a role about services that are decided locally. */
function statementsOfRole(
  resources: TemplateResources,
  role: unknown,
  services: readonly string[],
  values: LocalValues,
): LocalStatement[] {
  const { ManagedPolicyArns } = roleSchema.parse(resources[referredResource(role)]?.Properties);
  return ManagedPolicyArns.flatMap((arn) => {
    const { PolicyDocument } = policySchema.parse(resources[referredResource(arn)]?.Properties);
    return PolicyDocument.Statement.flatMap(({ Effect, Action, Resource }) => {
      const actions = Action.filter((action) => services.some((service) => action.startsWith(`${service}:`)));
      if (actions.length === 0) return [];
      return [{ effect: Effect, actions, resources: Resource.map((value) => resolveText(value, values)) }];
    });
  });
}

/** Whether statements allow an action on a resource, as IAM decides: a denial wins, and nothing is allowed by itself. */
export function isAllowedBy(statements: readonly LocalStatement[], action: string, resource: string): boolean {
  const matching = statements.filter(
    ({ actions, resources }) =>
      actions.some((pattern) => matches(pattern, action)) && resources.some((pattern) => matches(pattern, resource)),
  );
  return matching.length > 0 && matching.every(({ effect }) => effect === 'Allow');
}

/** `*` stands for any text, `?` for one character. */
export function matches(pattern: string, text: string): boolean {
  const expression = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${expression}$`, 's').test(text);
}
