/** Writes `docs/permissions.md` from a synthesized template, so that the two cannot differ. Pure. */
import { flattenCfnReference } from 'cdk-nag/lib/utils/flatten-cfn-reference.js';
import * as z from 'zod';
import { permissionReasons, reasonOfResourcePolicy } from './permission-reasons.ts';

const textsSchema = z.union([z.string().transform((text) => [text]), z.array(z.string())]);
const valuesSchema = z.union([z.array(z.unknown()), z.unknown().transform((value) => [value])]);

const statementSchema = z.object({
  Sid: z.string().optional(),
  Effect: z.enum(['Allow', 'Deny']),
  Action: textsSchema,
  Resource: valuesSchema.optional(),
  NotResource: valuesSchema.optional(),
  Principal: z.unknown().optional(),
  Condition: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
});
type Statement = z.output<typeof statementSchema>;

const documentSchema = z.object({ Statement: z.array(statementSchema) });

const templateSchema = z.object({
  Resources: z.record(
    z.string(),
    z.object({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).default({}) }),
  ),
});

/** Where a type of resource that lets others do something keeps its policy, and how the type is called here. */
const resourcePolicies: Readonly<Record<string, { readonly property: string; readonly called: string }>> = {
  'AWS::S3::BucketPolicy': { property: 'PolicyDocument', called: 'bucket' },
  'AWS::SQS::QueuePolicy': { property: 'PolicyDocument', called: 'queue' },
  'AWS::SNS::TopicPolicy': { property: 'PolicyDocument', called: 'topic' },
  'AWS::KMS::Key': { property: 'KeyPolicy', called: 'key' },
  'AWS::EC2::VPCEndpoint': { property: 'PolicyDocument', called: 'endpoint' },
};

const introduction = `# Permissions

Every permission that the stack grants or denies, and why. Generated from the template of \`infra/full.config.jsonc\`,
which switches everything on, by \`node scripts/write-permissions.ts\`; a test fails when this page and the template
differ, and nothing can be granted without a reason in \`infra/permission-reasons.ts\`.

No role may delete from an archive, change the settings of a bucket or use a key for more than to encrypt and decrypt.
No role may write \`jobs/\`, by which a restore is authorized; whoever commands one needs that right of their own
([restore.md](restore.md)).
Only what takes in the inbox may delete anything: the versions below \`new/\` of the inbox that it copied before.
Every function has a role of its own.
`;

/** @returns the page. Throws if something is granted for which there is no reason. */
export function permissionsDocument(template: unknown): string {
  const resources = Object.entries(templateSchema.parse(template).Resources);
  // A role has as many policies as its permissions need.
  const policies = resources.filter(([, { Type }]) => Type === 'AWS::IAM::ManagedPolicy');
  const roles = [...Map.groupBy(policies, ([id]) => roleOfPolicy(id))].map(([role, ofRole]) =>
    roleSection(
      role,
      ofRole.flatMap(([, { Properties }]) => documentSchema.parse(Properties.PolicyDocument).Statement),
    ),
  );
  const others = resources.flatMap(([id, { Type, Properties }]) => rowsOfResource(id, Type, Properties));
  return [
    introduction,
    '## Roles\n',
    ...roles,
    '## Policies of resources\n',
    '| resource | effect | who | may | if | why |\n| --- | --- | --- | --- | --- | --- |',
    ...others,
    '',
  ].join('\n');
}

function roleOfPolicy(id: string): string {
  return withoutHash(id).replace(/IdentityPolicy\d*$/, '');
}

function roleSection(role: string, statements: readonly Statement[]): string {
  const rows = [...Map.groupBy(statements, ({ Sid }) => Sid)].flatMap(([sid, parts]) => {
    const [first] = parts;
    if (first === undefined) return [];
    const effect = first.Effect === 'Allow' ? '' : '**denied:** ';
    // A long statement is continued in the next policy.
    const resources = parts.flatMap(({ Resource = [] }) => Resource.map(readable));
    const conditions = coded(conditionsOf(first));
    return [`| ${sid} | ${effect}${coded(first.Action)} | ${coded(resources)} | ${conditions} | ${reasonOf(sid)} |`];
  });
  return `### ${role}\n\n| permission | may | on | if | why |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}\n`;
}

function reasonOf(sid: string | undefined): string {
  const reason = Object.entries(permissionReasons).find(([name]) => name === sid)?.[1];
  if (reason === undefined) {
    throw new Error(`There is no reason for the permission ${sid}; add one to infra/permission-reasons.ts.`);
  }
  return reason;
}

function rowsOfResource(id: string, type: string, properties: Record<string, unknown>): string[] {
  if (type === 'AWS::Lambda::Permission') {
    const { Action, FunctionName, Principal, FunctionUrlAuthType, InvokedViaFunctionUrl } =
      permissionSchema.parse(properties);
    const conditions = [
      ...(FunctionUrlAuthType === undefined ? [] : [`FunctionUrlAuthType ${FunctionUrlAuthType}`]),
      ...(InvokedViaFunctionUrl === undefined ? [] : [`InvokedViaFunctionUrl ${InvokedViaFunctionUrl}`]),
    ];
    const name = readable(FunctionName).replaceAll(/[<>]/g, '');
    const why = reasonOfResourcePolicy('function', 'Allow', Principal);
    return [`| ${name} | Allow | ${coded([Principal])} | ${coded([Action])} | ${coded(conditions)} | ${why} |`];
  }
  const kind = resourcePolicies[type];
  if (kind === undefined || properties[kind.property] === undefined) {
    return [];
  }
  return documentSchema
    .parse(properties[kind.property])
    .Statement.map((statement) => rowOfStatement(withoutHash(id).replace(/Policy$/, ''), kind.called, statement));
}

const permissionSchema = z.object({
  Action: z.string(),
  FunctionName: z.unknown(),
  Principal: z.string(),
  FunctionUrlAuthType: z.string().optional(),
  InvokedViaFunctionUrl: z.boolean().optional(),
});

function rowOfStatement(name: string, kind: string, statement: Statement): string {
  const { Sid, Effect, Action, Principal } = statement;
  const who = readable(Object.values(Object(Principal))[0] ?? Principal);
  const conditions = conditionsOf(statement);
  const why = reasonOfResourcePolicy(kind, Effect, who, Sid);
  return `| ${name} | ${Effect} | ${coded([who])} | ${coded(Action)} | ${coded(conditions)} | ${why} |`;
}

function conditionsOf({ Condition = {}, NotResource = [] }: Statement): string[] {
  const conditions = Object.entries(Condition).flatMap(([operator, tests]) =>
    Object.entries(tests).map(([key, value]) => `${operator} ${key} ${[value].flat().map(readable).join(', ')}`),
  );
  return [...conditions, ...NotResource.map((resource) => `not on ${readable(resource)}`)];
}

/** A value of the template as people read it: logical ids without their hashes. */
function readable(value: unknown): string {
  return flattenCfnReference(value)
    .replaceAll(/<AWS::(\w+)>/g, '<$1>')
    .replaceAll(/<(\w+?)(?:[0-9A-F]{8})?(?:\.(?:Arn|GroupId))?>/g, '<$1>');
}

function withoutHash(id: string): string {
  return id.replace(/[0-9A-F]{8}$/, '');
}

function coded(texts: readonly string[]): string {
  return texts.map((text) => `\`${text}\``).join('<br>');
}
