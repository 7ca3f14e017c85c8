import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StopStrings } from '../../src/vlm/stop-strings.js';

function feed(stops: string[], deltas: string[]) {
  const filter = new StopStrings(stops);
  const out = deltas.map((delta) => filter.push(delta));
  return { out, text: out.join('') + filter.flush(), found: filter.found };
}

test('text that may become a stop string is held back, and given out once it does not', () => {
  expect(feed(['###'], ['a', '#', '#b', 'c'])).toEqual({ out: ['a', '', '##b', 'c'], text: 'a##bc', found: false });
});

test('a stop string in several pieces ends the text before it', () => {
  expect(feed(['\n\n', 'END'], ['one\n', 'two E', 'N', 'D three'])).toMatchObject({ text: 'one\ntwo ', found: true });
});

test('the earliest of several counts, also when a longer one overlaps it', () => {
  expect(feed(['abc', 'b'], ['xabc']).text).toBe('x');
  expect(feed(['bcd', 'abx'], ['ab', 'cd']).text).toBe('a');
});

test('what is held back at the end comes out', () => {
  expect(feed(['stop'], ['we st']).text).toBe('we st');
});

test('for any split: the text up to the first stop string, nothing given out too early', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 });
  const stop = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), fc.array(stop, { maxLength: 3 }), (deltas, stops) => {
      const whole = deltas.join('');
      const ends = stops.map((string) => whole.indexOf(string)).filter((index) => index >= 0);
      const { text, found } = feed(stops, deltas);
      // a stop string is found as soon as it is complete, so an earlier beginning that ends later comes too late
      if (ends.length === 0) expect(text).toBe(whole);
      else expect(whole.startsWith(text)).toBe(true);
      expect(found).toBe(ends.length > 0);
      for (const string of stops) expect(text.includes(string)).toBe(false);
    }),
    { numRuns: 2000 },
  );
});
