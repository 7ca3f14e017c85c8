import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Slots } from '../src/slots.js';

test('never more holders than slots, and every slot has one holder at a time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(fc.nat(3), { maxLength: 15 }), async (count, delays) => {
      const slots = new Slots(Array.from({ length: count }, (_, index) => index));
      const held = new Set<number>();
      let most = 0;
      const work = (delay: number) => async (slot: number) => {
        expect(held.has(slot)).toBe(false);
        held.add(slot);
        most = Math.max(most, held.size);
        await sleep(delay);
        held.delete(slot);
        return delay;
      };
      expect(await Promise.all(delays.map((delay) => slots.use(work(delay))))).toEqual(delays);
      expect(most).toBe(Math.min(count, delays.length));
    }),
    { numRuns: 30 },
  );
});

test('waiting holders are served first come, first served', async () => {
  const slots = new Slots(['only']);
  const order: number[] = [];
  const hold = (index: number) =>
    slots.use(async () => {
      order.push(index);
      await sleep(5 - index);
    });
  await Promise.all([0, 1, 2, 3, 4].map(hold));
  expect(order).toEqual([0, 1, 2, 3, 4]);
});

test('a newcomer does not overtake those who wait', async () => {
  const slots = new Slots([null]);
  const order: string[] = [];
  const first = slots.use(() => sleep(2));
  const second = slots.use(async () => order.push('second'));
  await first;
  const third = slots.use(async () => order.push('third'));
  await Promise.all([second, third]);
  expect(order).toEqual(['second', 'third']);
});

test('a slot comes back from work that fails, at once or later', async () => {
  const slots = new Slots([1]);
  const failing = [
    slots.use(async () => {
      await sleep(1);
      throw new Error('later');
    }),
    slots.use((): Promise<void> => {
      throw new Error('at once');
    }),
  ];
  const next = slots.use(async (slot) => slot);
  await expect(failing[0]).rejects.toThrow('later');
  await expect(failing[1]).rejects.toThrow('at once');
  expect(await Promise.race([next, sleep(500)])).toBe(1);
});

test('the same slots are handed out again', async () => {
  const buffers = [new Float32Array(1), new Float32Array(1)];
  const slots = new Slots([...buffers]);
  const seen = new Set<unknown>();
  for (let round = 0; round < 5; round++) await slots.use(async (buffer) => seen.add(buffer));
  expect([...seen].every((buffer) => buffers.some((own) => own === buffer))).toBe(true);
});
