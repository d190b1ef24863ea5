/** The code of a function: one file, with the configuration beside it. */
import { copyFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AssetHashType, DockerImage } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { buildSync } from 'esbuild';
import type { FunctionName } from '../core/cloud/metrics/metrics.ts';
import { bundledConfigurationFile } from '../core/environment.ts';

const lambdasFolder = fileURLToPath(new URL('../lambdas', import.meta.url));
const httpClient = fileURLToPath(new URL('http-client.js', import.meta.url));

/** CommonJS packages in an ES module bundle still call `require`, which ES modules do not have. */
const requireForCommonJs =
  "import { createRequire as createRequireForCommonJs } from 'node:module'; const require = createRequireForCommonJs(import.meta.url);";

/**
 * The code of the function in `lambdas/<file>.ts`, for deployment. With `bundles=FOLDER` in the context of the app it is
 * taken from there, as `bundleFunction` left it: whoever synthesizes many stacks of the same code bundles it once.
 */
export function functionCode(scope: Construct, file: FunctionName, configurationFile: string): Code {
  const bundles: unknown = scope.node.tryGetContext('bundles');
  const tryBundle = (outputFolder: string): boolean => {
    if (typeof bundles === 'string') cpSync(join(bundles, file), outputFolder, { recursive: true });
    else bundleFunction(file, outputFolder);
    copyFileSync(configurationFile, join(outputFolder, bundledConfigurationFile));
    return true;
  };
  return Code.fromAsset(lambdasFolder, {
    assetHashType: AssetHashType.OUTPUT,
    // The command is what tells one function from another, for whom CDK takes them for the same asset.
    bundling: { image: DockerImage.fromRegistry('not used'), command: [file], local: { tryBundle } },
  });
}

/**
 * Bundles a function as `index.mjs` into a folder, with source maps, and beside it in `parts/` what is loaded only where it is
 * used: a function with credentials of its role needs none of the other ways to get some.
 */
export function bundleFunction(file: FunctionName, folder: string): void {
  buildSync({
    entryPoints: { index: join(lambdasFolder, `${file}.ts`) },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'parts/[name]-[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    minify: true,
    keepNames: true,
    alias: { undici: httpClient },
    // undici's own word for a bundle without its second, experimental parser of HTTP.
    define: { esbuildDetection: 'true' },
    sourcemap: true,
    sourcesContent: false,
    banner: { js: requireForCommonJs },
    logLevel: 'info',
  });
}
