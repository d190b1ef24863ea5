import { MirrorError } from '../../errors.ts';

/** What a user typed as the address of a server. */
export interface OrthancAddress {
  /** Without credentials and without a slash at the end. */
  readonly url: string;
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
  /** What the user should change, in whole sentences. */
  readonly warnings: readonly string[];
}

/**
 * Reads the address of an Orthanc server, with or without a base path (`https://host/orthanc/`). Credentials in it
 * are accepted, with a warning, because users of Orthanc's own scripts type them so. `what` is how an error calls it.
 * Throws `configuration`; neither the error nor a warning repeats a credential.
 */
export function parseOrthancUrl(text: string, what = 'The address of a server'): OrthancAddress {
  const url = URL.parse(text.trim());
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new MirrorError('configuration', `${what} begins with http:// or https://.`);
  }
  if (url.search !== '' || url.hash !== '') {
    throw new MirrorError('configuration', `${what} has no query and no fragment (? or #).`);
  }
  const hasCredentials = url.username !== '' || url.password !== '';
  const address = `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  return {
    url: address,
    credentials: hasCredentials ? { username: decoded(url.username), password: decoded(url.password) } : undefined,
    warnings: hasCredentials
      ? [
          `The address of ${address} holds credentials, which others can read in the list of processes and in the ` +
            'history of the shell: put them into the configuration as references to secrets.',
        ]
      : [],
  };
}

/** A percent sign that begins no escape is one that the user typed as part of the password. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
