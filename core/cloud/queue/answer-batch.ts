/** Works on the deliveries of one batch: at once, but those that failed again and again alone. */
import type { Answered, Delivery } from './deliveries.ts';

/** This many of the last tries of a message happen alone. */
const triesAlone = 2;

/**
 * Answers every delivery of a batch. What failed often goes last and one by one: an instance that takes the target
 * down whenever it is sent must not be the reason why its neighbours are given up.
 * @param answer answers one delivery; what it throws counts as unanswered
 * @param onUnanswered told about a delivery that could not be answered, with what was thrown
 * @returns the deliveries that must not be acknowledged
 */
export async function answerBatch<Received extends Delivery>(
  deliveries: readonly Received[],
  maxReceiveCount: number,
  answer: (delivery: Received) => Promise<Pick<Answered, 'verdict'>>,
  onUnanswered: (delivery: Received, error: unknown) => void,
): Promise<Received[]> {
  const returned: Received[] = [];
  const answerOne = async (delivery: Received): Promise<void> => {
    try {
      const { verdict } = await answer(delivery);
      if (verdict.kind === 'return') {
        returned.push(delivery);
      }
    } catch (error) {
      returned.push(delivery);
      onUnanswered(delivery, error);
    }
  };
  const isSuspect = ({ receiveCount }: Delivery): boolean => receiveCount > Math.max(1, maxReceiveCount - triesAlone);
  await Promise.all(deliveries.filter((delivery) => !isSuspect(delivery)).map(answerOne));
  for (const delivery of deliveries.filter(isSuspect)) {
    await answerOne(delivery);
  }
  return returned;
}
