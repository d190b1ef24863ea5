/** Reads Orthanc's own configuration, the way Orthanc does: OrthancConfiguration.cpp. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import { fileError } from '../files/file-error.ts';
import { substituteVariables } from './substitute-variables.ts';

const configurationObject = z.record(z.string(), z.unknown());

/** The configuration of one Orthanc. Holds secrets: never print it. */
export interface OrthancConfiguration {
  /** All options of all files. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Absolute paths of the files, in ascending order. */
  readonly files: readonly string[];
  /** The folder that relative paths of options begin at: the configuration's own. */
  readonly baseFolder: string;
  /** Variables without a value: Orthanc itself reads the empty text for them. */
  readonly undefinedVariables: readonly string[];
}

/**
 * Reads a configuration file, or all `*.json` files of a folder (not of its subfolders) as one configuration.
 * Comments and trailing commas are allowed; variables of `environment` are put in.
 * Throws `configuration` if the path is missing or unreadable, a file is no JSON object, or two files define the same
 * section, which Orthanc refuses too.
 */
export async function readConfiguration(
  path: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<OrthancConfiguration> {
  const absolute = resolve(path);
  const information = await stat(absolute).catch((error: unknown) => {
    throw fileError(error, absolute, 'configuration');
  });
  const files = information.isDirectory() ? await jsonFiles(absolute) : [absolute];
  if (files.length === 0) throw new MirrorError('configuration', `${absolute}: no *.json file in this folder`);
  const options: Record<string, unknown> = {};
  const undefinedVariables = new Set<string>();
  for (const file of files) {
    const content = await readFile(file, 'utf8').catch((error: unknown) => {
      throw fileError(error, file, 'configuration');
    });
    const substituted = substituteVariables(content, environment);
    for (const name of substituted.undefinedVariables) undefinedVariables.add(name);
    merge(options, parseFile(file, substituted.text), file);
  }
  const baseFolder = information.isDirectory() ? absolute : dirname(absolute);
  return { options, files, baseFolder, undefinedVariables: [...undefinedVariables] };
}

async function jsonFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw fileError(error, folder, 'configuration');
  });
  return entries
    .filter((entry) => !entry.isDirectory() && extname(entry.name).toLowerCase() === '.json')
    .map((entry) => join(folder, entry.name))
    .sort();
}

function parseFile(file: string, text: string): Readonly<Record<string, unknown>> {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split('\n').length;
    throw new MirrorError(
      'configuration',
      `${file}, line ${line}: no valid JSON (${printParseErrorCode(first.error)})`,
    );
  }
  const parsed = configurationObject.safeParse(value);
  if (!parsed.success) throw new MirrorError('configuration', `${file}: the configuration must be one JSON object`);
  return parsed.data;
}

function merge(target: Record<string, unknown>, source: Readonly<Record<string, unknown>>, file: string): void {
  for (const [name, value] of Object.entries(source)) {
    if (Object.hasOwn(target, name)) {
      throw new MirrorError(
        'configuration',
        `${file}: section "${name}" is also in another file; Orthanc refuses that`,
      );
    }
    target[name] = value;
  }
}
