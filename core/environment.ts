/** The only place of the product that reads environment variables. */
import * as z from 'zod';
import { MirrorError } from './errors.ts';

const functionEnvironmentSchema = z.object({
  /** Name of the bucket for archives and state that name no bucket of their own. */
  ORTHANC_MIRROR_BUCKET: z.string().min(1),
  /** What the addresses of all queues begin with; see `core/config/queue-names.ts`. */
  ORTHANC_MIRROR_QUEUES_URL: z.url(),
  /** Name of the bucket in which files arrive; only the function that takes them in gets it. */
  ORTHANC_MIRROR_INBOX_BUCKET: z.string().min(1).optional(),
});

/**
 * Where AWS services are reached, if not by their usual names: in a VPC whose endpoints have names of their own. The AWS
 * SDK reads these. Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 */
export type EndpointEnvironment = Readonly<
  Partial<Record<'AWS_ENDPOINT_URL_SQS' | 'AWS_ENDPOINT_URL_SECRETS_MANAGER', string>>
>;

/** What the Lambda service itself sets. */
const lambdaEnvironment = {
  /** The folder that the bundled code was unpacked to. */
  LAMBDA_TASK_ROOT: z.string().min(1),
};

/** What the stack tells its functions. The stack sets exactly these, so infrastructure and code cannot drift apart. */
export type FunctionEnvironment = z.output<typeof functionEnvironmentSchema>;

/** Name of the configuration file that is bundled with every function, beside its code. */
export const bundledConfigurationFile = 'configuration.json';

/** Reads what the stack told this function. Throws `configuration` naming the variables that are missing. */
export function readFunctionEnvironment(): FunctionEnvironment & { readonly codeFolder: string } {
  const result = functionEnvironmentSchema.extend(lambdaEnvironment).safeParse(process.env);
  if (!result.success) {
    const names = result.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new MirrorError(
      'configuration',
      `Environment variables are missing or wrong: ${names}; deploy the stack again.`,
    );
  }
  const { LAMBDA_TASK_ROOT, ...environment } = result.data;
  return { ...environment, codeFolder: LAMBDA_TASK_ROOT };
}

/** @returns the value of an environment variable that the configuration refers to, or `undefined` if it is not set. */
export function environmentVariable(name: string): string | undefined {
  return process.env[name];
}

/** The proxies that programs of this machine use. */
export interface ProxyEnvironment {
  readonly httpProxy?: string | undefined;
  readonly httpsProxy?: string | undefined;
  readonly noProxy?: string | undefined;
}

/** This machine is never behind a proxy. */
const neverProxied = 'localhost,127.0.0.1,::1';

/** @returns what the variables of the usual names say; the names in lower case win, as with curl. */
export function proxyEnvironment(): ProxyEnvironment {
  const read = (name: string) => process.env[name.toLowerCase()] ?? process.env[name];
  return {
    httpProxy: read('HTTP_PROXY'),
    httpsProxy: read('HTTPS_PROXY'),
    noProxy: `${neverProxied},${read('NO_PROXY') ?? ''}`,
  };
}

/** @returns all variables, for reading the configuration of an Orthanc, into which any of them may be put. */
export function allEnvironmentVariables(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/** @returns those of our own variables that a program which we start is to have. */
export function environmentOf(includes: (name: string) => boolean): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => includes(name)));
}
