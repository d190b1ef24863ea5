import { Aws, Stack, Validations } from 'aws-cdk-lib';
import { Effect, type IRole, ManagedPolicy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { flattenCfnReference } from 'cdk-nag/lib/utils/flatten-cfn-reference.js';
import { Construct } from 'constructs';
import { type PermissionName, permissionReasons } from './permission-reasons.ts';

/**
 * The role of one function or schedule. It may do what it is told here, each thing with a name that has a reason; what
 * constructs of the CDK would grant by themselves is dropped.
 */
export class ServiceRole extends Construct {
  /** For constructs; does not take further permissions. */
  readonly role: IRole;
  readonly #policy: ManagedPolicy;

  /** @param service who may take the role, such as `lambda.amazonaws.com`, for resources of this account only */
  constructor(scope: Construct, id: string, service: string, { fromThisAccountOnly = false } = {}) {
    super(scope, id);
    const principal = new ServicePrincipal(
      service,
      fromThisAccountOnly ? { conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } } } : {},
    );
    this.#policy = new ManagedPolicy(this, 'Policy');
    const role = new Role(this, 'Role', { assumedBy: principal, managedPolicies: [this.#policy] });
    this.role = role.withoutPolicyUpdates({ addGrantsToResources: false });
  }

  /** Allows actions on resources; on none, nothing. */
  allow(name: PermissionName, actions: readonly string[], resources: readonly string[]): void {
    if (resources.length > 0) {
      this.#add(name, Effect.ALLOW, actions, resources);
      this.#acknowledgeWildcards(name, resources);
    }
  }

  /** Denies actions on everything under a condition. */
  deny(name: PermissionName, actions: readonly string[], conditions: Record<string, unknown>): void {
    this.#add(name, Effect.DENY, actions, ['*'], conditions);
  }

  #add(
    name: PermissionName,
    effect: Effect,
    actions: readonly string[],
    resources: readonly string[],
    conditions: Record<string, unknown> = {},
  ): void {
    this.#policy.addStatements(
      new PolicyStatement({ sid: name, effect, actions: [...actions], resources: [...resources], conditions }),
    );
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
