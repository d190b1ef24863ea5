/** Decides about requests with the secrets as they are now: they are rotated while the function is warm. */
import { webhookSecretsOf } from '../../config/cloud-security-schema.ts';
import type { Configuration } from '../../config/schema.ts';
import type { SecretResolver } from '../../config/secrets/resolve-secret.ts';
import { MirrorError } from '../../errors.ts';
import { createWebhook, type IncomingAnnouncement, type WebhookDecision } from './webhook.ts';

type Decide = ReturnType<typeof createWebhook>;

/**
 * Makes the gate of one process. A request with a wrong secret makes it look for a new one, at most every few seconds
 * (the resolver sees to it). Throws what fetching the secrets throws; `configuration` if the stack has no webhook.
 */
export function webhookGate(
  { mirrors, cloud }: Configuration,
  secrets: SecretResolver,
): (incoming: IncomingAnnouncement) => Promise<WebhookDecision> {
  const { webhook } = cloud;
  if (webhook === undefined) {
    throw new MirrorError('configuration', 'This deployment has no webhook; add "webhook" to "cloud".');
  }
  const names = Object.keys(mirrors);
  if (webhook.authentication === 'iam') {
    const decide = createWebhook({ mirrors: names, secrets: 'iam' });
    return async (incoming) => decide(incoming);
  }
  const refs = webhookSecretsOf(webhook);
  let known: { readonly texts: readonly string[]; readonly decide: Decide } | undefined;

  async function current(refresh: boolean): Promise<Decide> {
    const texts = await Promise.all(refs.map((ref) => secrets.resolve(ref, refresh)));
    // The limit of requests is kept with the gate: it must not begin anew with every request.
    if (known === undefined || known.texts.join('\n') !== texts.join('\n')) {
      known = { texts, decide: createWebhook({ mirrors: names, secrets: texts }) };
    }
    return known.decide;
  }

  return async (incoming) => {
    const decide = await current(false);
    const decision = decide(incoming);
    if (decision.status !== 401) {
      return decision;
    }
    const fresh = await current(true);
    return fresh === decide ? decision : fresh(incoming);
  };
}
