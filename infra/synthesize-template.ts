/** Synthesizes the template of a configuration in this process, without bundling any code. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as z from 'zod';
import type { Configuration } from '../core/config/schema.ts';
import { requireWithinLimits } from './limits.ts';
import { MirrorStack } from './mirror-stack.ts';
import { addNagChecks } from './nag-checks.ts';

const cdkSchema = z.object({ context: z.record(z.string(), z.unknown()) });

/** The feature flags with which the stack is deployed. */
const deployedContext = cdkSchema.parse(
  JSON.parse(readFileSync(new URL('../cdk.json', import.meta.url), 'utf8')),
).context;

/** Throws for a configuration that does not fit the cloud or the limits of AWS, and for findings of cdk-nag that are not acknowledged. */
export function synthesizeTemplate(configuration: Configuration): Template {
  const outdir = mkdtempSync(join(tmpdir(), 'orthanc-mirror-template-'));
  const app = new App({ outdir, context: { ...deployedContext, 'aws:cdk:bundling-stacks': [] } });
  addNagChecks(app);
  try {
    const configurationFile = 'only read when code is bundled';
    const template = Template.fromStack(new MirrorStack(app, 'Stack', { configuration, configurationFile }));
    requireWithinLimits(template.toJSON());
    return template;
  } finally {
    rmSync(outdir, { recursive: true });
  }
}
