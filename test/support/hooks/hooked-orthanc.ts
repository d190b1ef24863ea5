/** A real Orthanc with one of the hooks installed in it as `docs/hooks.md` tells. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type OrthancServer, startOrthanc } from '../../../local/orthanc-server.ts';
import { orthancWithPython, type VersionWithPython } from './orthanc-with-python.ts';

const hookFiles = { lua: 'orthanc-mirror.lua', python: 'orthanc_mirror.py' } as const;

/** Of the tests' hooks; long enough for the webhook. */
export const testSecret = 'SECRET-of-the-hook-0123456789abcdef';

export interface HookedOrthancOptions {
  readonly version: VersionWithPython;
  readonly hook: keyof typeof hookFiles;
  readonly webhookUrl: string;
  /** The mirror whose source it is. Default: `main`. */
  readonly mirror?: string;
  /** A script of somebody else: loaded before ours (Lua), or as the main script that imports ours (Python). */
  readonly otherScript?: string;
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface HookedOrthanc {
  readonly server: OrthancServer;
  /** Everything that the server wrote to its log until now. */
  log(): Promise<string>;
  /** Ends the server and removes its folder. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a server with the hook. */
export async function startHookedOrthanc(options: HookedOrthancOptions): Promise<HookedOrthanc> {
  const { bin, pythonPlugin } = orthancWithPython(options.version);
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-hook-'));
  try {
    const server = await startOrthanc({
      version: options.version,
      bin,
      folder,
      plugins: options.hook === 'python' ? [pythonPlugin] : [],
      config: { StableAge: 1, ...(await scriptsIn(folder, options)), ...options.config },
    });
    return {
      server,
      log: () => readFile(server.logPath, 'utf8'),
      async [Symbol.asyncDispose]() {
        await server.stop();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Writes the scripts into the folder. @returns the options of Orthanc that load them. */
async function scriptsIn(folder: string, options: HookedOrthancOptions): Promise<Record<string, unknown>> {
  const { hook, otherScript } = options;
  await writeFile(join(folder, 'secret'), `${testSecret}\n`, { mode: 0o600 });
  const hookPath = join(folder, hookFiles[hook]);
  await writeFile(hookPath, await configuredHook(folder, options));
  if (otherScript === undefined) return hook === 'lua' ? { LuaScripts: [hookPath] } : { PythonScript: hookPath };
  const otherPath = join(folder, hook === 'lua' ? 'other.lua' : 'other.py');
  await writeFile(otherPath, otherScript);
  return hook === 'lua' ? { LuaScripts: [otherPath, hookPath] } : { PythonScript: otherPath };
}

/** @returns the text of the hook with its three settings filled in. */
async function configuredHook(
  folder: string,
  { hook, webhookUrl, mirror = 'main' }: HookedOrthancOptions,
): Promise<string> {
  const path = fileURLToPath(new URL(`../../../hooks/${hookFiles[hook]}`, import.meta.url));
  const settings = { WEBHOOK_URL: webhookUrl, MIRROR: mirror, SECRET: `file:${join(folder, 'secret')}` };
  let text = await readFile(path, 'utf8');
  for (const [name, value] of Object.entries(settings)) {
    const setting = new RegExp(`^((?:local )?${name} = )'[^']*'`, 'm');
    if (!setting.test(text)) throw new Error(`the hook has no setting ${name}`);
    text = text.replace(setting, `$1'${value}'`);
  }
  return text;
}
