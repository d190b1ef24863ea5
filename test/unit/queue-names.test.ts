import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Lane,
  mirrorQueue,
  parseMirrorQueue,
  type SharedQueue,
  sharedQueue,
} from '../../core/config/queue-names.ts';

const stackName = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,30}$/);
const mirrorName = fc.stringMatching(/^[a-z0-9-]{1,32}$/);
const lane = fc.constantFrom<Lane>('new', 'backlog', 'large', 'inbox');
const shared = fc.constantFrom<SharedQueue>('dead-letters', 'inbox-dead-letters', 'failed-invocations');

test('a queue of a mirror tells which mirror and lane it is of, by name, address and ARN', () => {
  fc.assert(
    fc.property(stackName, mirrorName, lane, (stack, mirror, ofLane) => {
      const queue = { mirror, lane: ofLane };
      for (const base of [
        stack,
        `https://sqs.eu-west-1.amazonaws.com/1/${stack}`,
        `arn:aws:sqs:eu-west-1:1:${stack}`,
      ]) {
        expect(parseMirrorQueue(mirrorQueue(base, queue))).toEqual(queue);
      }
    }),
  );
});

test('a queue that mirrors share is that of no mirror, however the stack and the mirrors are called', () => {
  fc.assert(
    fc.property(stackName, shared, mirrorName, lane, (stack, queue, mirror, ofLane) => {
      expect(parseMirrorQueue(sharedQueue(stack, queue))).toBeUndefined();
      expect(sharedQueue(stack, queue)).not.toBe(mirrorQueue(stack, { mirror, lane: ofLane }));
    }),
  );
});

test.each(['', 'arn:aws:sqs:eu-west-1:1:Other', 'Stack_main_constructor', 'Stack_Main_new', 'Stack__new'])(
  '%j is no queue of a mirror',
  (text) => {
    expect(parseMirrorQueue(text)).toBeUndefined();
  },
);
