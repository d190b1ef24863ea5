/** Environment variables in Orthanc's configuration files. */

export interface Substituted {
  readonly text: string;
  /** Names of variables that are not set and have no default; Orthanc puts nothing in their place. */
  readonly undefinedVariables: readonly string[];
}

/** The same expression as in Orthanc's Toolbox::SubstituteVariables: `${A}`, `${A:-b}`, `${A:-"b"}`, `${A:-'b'}`. */
const pattern = /\$\{([^:]*?)\}|\$\{([^:]*?):-([^'"]*?)\}|\$\{([^:]*?):-"([^"]*?)"\}|\$\{([^:]*?):-'([^']*?)'\}/g;

/** Puts environment variables into a configuration file, before it is parsed, as Orthanc does. */
export function substituteVariables(
  source: string,
  environment: Readonly<Record<string, string | undefined>>,
): Substituted {
  const undefinedVariables: string[] = [];
  const text = source.replace(
    pattern,
    (_match, plain?: string, bare?: string, bareDefault?: string, ...quoted: (string | undefined)[]) => {
      const [double, doubleDefault, single, singleDefault] = quoted;
      const name = plain ?? bare ?? double ?? single ?? '';
      const fallback = bareDefault ?? doubleDefault ?? singleDefault;
      const value = environment[name] ?? fallback;
      if (value === undefined) undefinedVariables.push(name);
      return value ?? '';
    },
  );
  return { text, undefinedVariables };
}
