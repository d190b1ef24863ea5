import { type App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks, HIPAASecurityChecks, ServerlessChecks } from 'cdk-nag';

/** Every finding of these rule packs that is not acknowledged fails the synthesis. */
export function addNagChecks(app: App): void {
  const packs = [new AwsSolutionsChecks(app), new HIPAASecurityChecks(app), new ServerlessChecks(app)];
  Validations.of(app).addPlugins(...packs);
}
