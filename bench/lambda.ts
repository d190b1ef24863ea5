/**
 * What a cold start of each function costs, as it is deployed: the size of its bundle, and how long that takes to import, with
 * what it loads to reach its archive, in a new process each time.
 *
 *     node bench/lambda.ts [--repeat 3] [--json]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type FunctionName, functionNames } from '../core/cloud/metrics/metrics.ts';
import { bundledConfigurationFile } from '../core/environment.ts';
import { bundleFunction } from '../infra/function-code.ts';

const { values } = parseArgs({
  options: { repeat: { type: 'string', default: '3' }, json: { type: 'boolean', default: false } },
});

interface Bundle {
  readonly function: FunctionName;
  readonly bundleKiB: number;
  /** In order of their length. */
  readonly importMs: readonly number[];
}

/** With everything that a function may want when it is imported. Nothing is connected then. */
const configuration = {
  mirrors: { bench: { source: { url: 'http://127.0.0.1:9/' }, archive: {} } },
  cloud: { allowPrivateNetworks: true, webhook: { secret: { secretsManager: 'bench' } }, inbox: {}, open: {} },
};

/** What the runtime gives functions that stream their answers, and the measurement itself. */
const script = `
  globalThis.awslambda = { streamifyResponse: (handler) => handler };
  const startedAtMs = performance.now();
  await Promise.all(process.argv.slice(1).map((module) => import(module)));
  process.stdout.write(String(performance.now() - startedAtMs), () => process.exit());`;

function importMs(code: string): number {
  const parts = readdirSync(join(code, 'parts')).filter((part) => /^s3-objects-.*\.mjs$/.test(part));
  const modules = ['index.mjs', ...parts.map((part) => join('parts', part))].map(
    (file) => pathToFileURL(join(code, file)).href,
  );
  const env = {
    LAMBDA_TASK_ROOT: code,
    ORTHANC_MIRROR_BUCKET: 'bucket',
    ORTHANC_MIRROR_INBOX_BUCKET: 'inbox',
    ORTHANC_MIRROR_QUEUES_URL: 'http://127.0.0.1:9/queues',
    POWERTOOLS_METRICS_NAMESPACE: 'bench',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'simulated',
    AWS_SECRET_ACCESS_KEY: 'simulated',
  };
  const args = ['--enable-source-maps', '--input-type=module', '--eval', script, ...modules];
  const took = Number(execFileSync(process.execPath, args, { env, encoding: 'utf8' }));
  if (!(took > 0)) throw new Error(`${code} did not tell how long its import took`);
  return took;
}

async function measureBundle(name: FunctionName, folder: string): Promise<Bundle> {
  const code = join(folder, name);
  mkdirSync(code);
  bundleFunction(name, code);
  await writeFile(join(code, bundledConfigurationFile), JSON.stringify(configuration));
  const measured = Array.from({ length: Number(values.repeat) }, () => importMs(code));
  const files = (await readdir(code, { recursive: true })).filter((file) => file.endsWith('.mjs'));
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(code, file))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { function: name, bundleKiB: bytes / 1024, importMs: measured.sort((a, b) => a - b) };
}

const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-bench-lambda-'));
try {
  if (!values.json) console.log('| function | bundle, KiB | import, ms |\n| --- | --- | --- |');
  for (const name of functionNames) {
    const bundle = await measureBundle(name, folder);
    const times = bundle.importMs.map((ms) => ms.toFixed(0)).join(' ');
    console.log(values.json ? JSON.stringify(bundle) : `| ${name} | ${bundle.bundleKiB.toFixed(0)} | ${times} |`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
