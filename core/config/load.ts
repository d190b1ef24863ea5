/** Reads and validates a configuration file. */
import { readFile } from 'node:fs/promises';
import { type ParseError, parse, printParseErrorCode, visit } from 'jsonc-parser';
import { MirrorError } from '../errors.ts';
import { describeProblems, wordProblem } from './problems.ts';
import { type Configuration, configurationSchema } from './schema.ts';

/** Reads a configuration file: JSON, in which comments and trailing commas are allowed. Throws `configuration`. */
export async function loadConfiguration(file: string): Promise<Configuration> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new MirrorError(
      'configuration',
      `Cannot read the configuration file ${file}; check its path and permissions.`,
      { cause },
    );
  });
  return parseConfiguration(text, file);
}

/**
 * Validates the text of a configuration file and fills in the defaults.
 * @param origin what the text is called in error messages
 */
export function parseConfiguration(text: string, origin: string): Configuration {
  refusePrototypes(text, origin);
  const syntaxErrors: ParseError[] = [];
  const json: unknown = parse(text, syntaxErrors, { allowTrailingComma: true });
  const first = syntaxErrors[0];
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split('\n').length;
    throw new MirrorError(
      'configuration',
      `${origin} is not valid JSON: ${printParseErrorCode(first.error)} in line ${line}.`,
    );
  }
  return validateConfiguration(json, origin);
}

/** A field of this name would become no field of the parsed object, and go unnoticed. */
function refusePrototypes(text: string, origin: string): void {
  visit(text, {
    onObjectProperty: (name, _offset, _length, line) => {
      if (name !== '__proto__') return;
      throw new MirrorError('configuration', `${origin} is not valid: the field "__proto__" in line ${line + 1}.`);
    },
  });
}

/** Validates a configuration that is already parsed. Throws one `configuration` error that tells every problem. */
export function validateConfiguration(json: unknown, origin: string): Configuration {
  const result = configurationSchema.safeParse(json, { error: wordProblem });
  if (!result.success) {
    throw new MirrorError('configuration', `${origin} is not valid: ${describeProblems(result.error).join('; ')}.`);
  }
  return result.data;
}
