/** Works on the deliveries of one batch: at once, but those that failed again and again alone. */
import type { Delivery, Settled } from './deliveries.ts';

/** This many of the last tries of a message happen alone. */
const triesAlone = 2;

/**
 * Settles every delivery of a batch. What failed often goes last and one by one: an instance that takes the target
 * down whenever it is sent must not be the reason why its neighbours are given up.
 * @param settle settles one delivery; what it throws counts as unsettled
 * @param onUnsettled told about a delivery that could not be settled, with what was thrown
 * @returns the deliveries that must not be acknowledged
 */
export async function settleBatch<Received extends Delivery>(
  deliveries: readonly Received[],
  maxReceiveCount: number,
  settle: (delivery: Received) => Promise<Pick<Settled, 'verdict'>>,
  onUnsettled: (delivery: Received, error: unknown) => void,
): Promise<Received[]> {
  const returned: Received[] = [];
  const settleOne = async (delivery: Received): Promise<void> => {
    try {
      const { verdict } = await settle(delivery);
      if (verdict.kind === 'return') {
        returned.push(delivery);
      }
    } catch (error) {
      returned.push(delivery);
      onUnsettled(delivery, error);
    }
  };
  const isSuspect = ({ receiveCount }: Delivery): boolean => receiveCount > Math.max(1, maxReceiveCount - triesAlone);
  await Promise.all(deliveries.filter((delivery) => !isSuspect(delivery)).map(settleOne));
  for (const delivery of deliveries.filter(isSuspect)) {
    await settleOne(delivery);
  }
  return returned;
}
