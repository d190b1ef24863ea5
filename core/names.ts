/** Names that a user gives to what the configuration describes. */
import * as z from 'zod';

/** How a mirror or a target may be called; such names appear in logs, metrics, messages and keys. */
export const nameSchema = z.string().regex(/^[a-z0-9-]{1,32}$/, {
  error: 'is not a name: use 1 to 32 of the characters a-z, 0-9 and -',
});
