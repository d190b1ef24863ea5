/** The CDK app: `cdk synth -c config=FILE`. Works without network and without AWS credentials. */
import { resolve } from 'node:path';
import { App } from 'aws-cdk-lib';
import * as z from 'zod';
import { loadConfiguration } from '../core/config/load.ts';
import { requireWithinLimits } from './limits.ts';
import { MirrorStack } from './mirror-stack.ts';
import { addNagChecks } from './nag-checks.ts';

const app = new App();
addNagChecks(app);
const configurationFile = resolve(z.string().parse(app.node.getContext('config')));
const configuration = await loadConfiguration(configurationFile);
const { stackName, account, region } = configuration.cloud;

new MirrorStack(app, stackName, {
  configuration,
  configurationFile,
  env: { ...(account === undefined ? {} : { account }), ...(region === undefined ? {} : { region }) },
});
requireWithinLimits(app.synth().getStackByName(stackName).template);
