import { expect, test } from 'vitest';
import { RightOfWay } from '../../core/open/reader/right-of-way.ts';

test('work in the background waits while somebody waits, and goes on when nobody does', async () => {
  const way = new RightOfWay();
  await way.given();
  const events: string[] = [];
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const first = way.first(async () => {
    await gate;
    events.push('answered');
  });
  const second = way.first(async () => undefined);
  const given = way.given().then(() => events.push('went on'));
  await second;
  open();
  await Promise.all([first, given]);
  expect(events).toEqual(['answered', 'went on']);
});

test('work in the background goes on when what somebody waits for fails', async () => {
  const way = new RightOfWay();
  await expect(way.first(() => Promise.reject(new Error('it failed')))).rejects.toThrow('it failed');
  await way.given();
});

test('work in the background is not held up for ever', async () => {
  const way = new RightOfWay();
  void way.first(() => new Promise(() => undefined));
  await way.given();
});
