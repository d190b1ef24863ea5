import { Aws, Stack, Validations } from 'aws-cdk-lib';
import { Effect, type IRole, ManagedPolicy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { flattenCfnReference } from 'cdk-nag/lib/utils/flatten-cfn-reference.js';
import { Construct } from 'constructs';
import { largestManagedPolicy, longestLength } from './limits.ts';
import { type PermissionName, permissionReasons } from './permission-reasons.ts';

type Conditions = Readonly<Record<string, unknown>>;

interface OpenPolicy {
  readonly policy: ManagedPolicy;
  /** Most characters that it has so far. */
  length: number;
}

const emptyPolicy = longestLength({ Version: '2012-10-17', Statement: [] });

/**
 * The role of one function or schedule. It may do what it is told here, each thing with a name that has a reason; what
 * constructs of the CDK would grant by themselves is dropped. The permissions are spread over as many policies as they
 * need, whatever the number of mirrors: AWS bounds the size of each.
 */
export class ServiceRole extends Construct {
  /** For constructs; does not take further permissions. */
  readonly role: IRole;
  readonly #role: Role;
  readonly #policies: OpenPolicy[] = [];

  /** @param service who may take the role, such as `lambda.amazonaws.com`, for resources of this account only */
  constructor(scope: Construct, id: string, service: string, { fromThisAccountOnly = false } = {}) {
    super(scope, id);
    const principal = new ServicePrincipal(
      service,
      fromThisAccountOnly ? { conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } } } : {},
    );
    this.#role = new Role(this, 'Role', { assumedBy: principal });
    this.role = this.#role.withoutPolicyUpdates({ addGrantsToResources: false });
  }

  get arn(): string {
    return this.#role.roleArn;
  }

  /** Allows actions on resources; on none, nothing. */
  allow(
    name: PermissionName,
    actions: readonly string[],
    resources: readonly string[],
    conditions: Conditions = {},
  ): void {
    if (resources.length > 0) {
      this.#add(name, Effect.ALLOW, actions, resources, conditions);
      this.#acknowledgeWildcards(name, resources);
    }
  }

  /** Denies actions on everything under a condition. */
  deny(name: PermissionName, actions: readonly string[], conditions: Conditions): void {
    this.#add(name, Effect.DENY, actions, ['*'], conditions);
  }

  /** Adds a statement; one that does not fit into the last policy is continued in the next one, under the same name. */
  #add(
    name: PermissionName,
    effect: Effect,
    actions: readonly string[],
    resources: readonly string[],
    conditions: Conditions,
  ): void {
    const statementOf = (some: readonly string[]): PolicyStatement =>
      new PolicyStatement({ sid: name, effect, actions: [...actions], resources: [...some], conditions });
    let rest = resources;
    while (rest.length > 0) {
      const open = this.#lastPolicy();
      let fitting = rest.length;
      while (fitting > 0 && open.length + this.#lengthOf(statementOf(rest.slice(0, fitting))) > largestManagedPolicy) {
        fitting -= 1;
      }
      if (fitting === 0) {
        // Not even one resource fits: a new policy is begun, unless this one is new.
        if (open.length === emptyPolicy) throw new Error(`the permission ${name} does not fit into a policy`);
        this.#beginPolicy();
        continue;
      }
      const statement = statementOf(rest.slice(0, fitting));
      open.policy.addStatements(statement);
      open.length += this.#lengthOf(statement);
      rest = rest.slice(fitting);
    }
  }

  #lastPolicy(): OpenPolicy {
    return this.#policies.at(-1) ?? this.#beginPolicy();
  }

  #beginPolicy(): OpenPolicy {
    const number = this.#policies.length + 1;
    const policy = new ManagedPolicy(this, number === 1 ? 'Policy' : `Policy${number}`);
    this.#role.addManagedPolicy(policy);
    const begun = { policy, length: emptyPolicy };
    this.#policies.push(begun);
    return begun;
  }

  /** Most characters that a statement adds to its policy. */
  #lengthOf(statement: PolicyStatement): number {
    return longestLength(Stack.of(this).resolve(statement.toStatementJson())) + 1;
  }

  /** Tells cdk-nag which wildcards are meant: exactly those of this permission, with its reason. */
  #acknowledgeWildcards(name: PermissionName, resources: readonly string[]): void {
    const reason = permissionReasons[name];
    const names = resources.map((resource) => flattenCfnReference(Stack.of(this).resolve(resource)));
    for (const wildcard of names.filter((text) => text.includes('*'))) {
      Validations.of(this).acknowledge({ id: `AwsSolutions-IAM5[Resource::${wildcard}]`, reason });
    }
  }
}
