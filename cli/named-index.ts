/** An index or database that a user names on the command line. */
import { indexLocation } from '../core/orthanc-disk/index/open-index.ts';
import type { IndexLocation } from '../core/orthanc-disk/orthanc-host.ts';
import type { CommandContext } from './command-context.ts';

/** Reads the location; a password in it is accepted, with a warning. Throws `configuration`. */
export function namedIndex(text: string, { terminal }: CommandContext): IndexLocation {
  const location = indexLocation(text);
  const variable = passwordVariable(location);
  if (variable !== undefined) {
    terminal.warn(
      'the address of the database holds a password, which others can read in the list of processes and in the ' +
        `history of the shell: leave it out, and set ${variable}`,
    );
  }
  return location;
}

/** Where the password of a location belongs; `undefined` if it holds none. */
function passwordVariable(location: IndexLocation): string | undefined {
  if (location.kind === 'postgresql') {
    return (location.connection.keywords.password ?? '') === '' ? undefined : 'PGPASSWORD';
  }
  return location.kind === 'mysql' && location.connection.password !== '' ? 'MYSQL_PWD' : undefined;
}
