import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DownloadProgress, type Progress } from '../../src/model/progress.js';

type Download = Extract<Progress, { phase: 'download' }>;

/** @param sizes of all files, by name */
function recorded(sizes: Record<string, number | null>) {
  const reports: Download[] = [];
  const files = Object.entries(sizes).map(([file, bytes]) => ({ file, bytes }));
  return { reports, progress: new DownloadProgress((report) => reports.push(report as Download), files) };
}

test('one total is given over all files', () => {
  const { reports, progress } = recorded({ 'vision.onnx': 100, 'text.onnx': 300 });
  const vision = progress.of('vision.onnx');
  const text = progress.of('text.onnx');
  vision(40, 100);
  text(10, 300);
  vision(100, 100);
  text(300, 300);
  expect(reports.map(({ file, loadedBytes, totalBytes }) => [file, loadedBytes, totalBytes])).toEqual([
    ['vision.onnx', 40, 400],
    ['text.onnx', 50, 400],
    ['vision.onnx', 110, 400],
    ['text.onnx', 400, 400],
  ]);
});

test('the total is unknown until every size is', () => {
  const { reports, progress } = recorded({ 'vision.onnx': null, 'text.onnx': null });
  const vision = progress.of('vision.onnx');
  const text = progress.of('text.onnx');
  vision(1, 10);
  vision(2, 10);
  text(1, null);
  text(2, 20);
  expect(reports.map(({ totalBytes }) => totalBytes)).toEqual([null, null, null, 30]);
});

test('a published size wins over what a server says', () => {
  const { reports, progress } = recorded({ 'vision.onnx': 100 });
  progress.of('vision.onnx')(5, 37);
  expect(reports[0]!.totalBytes).toBe(100);
});

test('a download that starts again does not turn the figure back', () => {
  const { reports, progress } = recorded({ 'vision.onnx': 100 });
  const vision = progress.of('vision.onnx');
  for (const loaded of [80, 0, 40, 90]) vision(loaded, 100);
  expect(reports.map(({ loadedBytes }) => loadedBytes)).toEqual([80, 80, 80, 90]);
});

test('the rate is a finite count of bytes even at once', () => {
  const { reports, progress } = recorded({ 'vision.onnx': 100 });
  progress.of('vision.onnx')(0, 100);
  progress.of('vision.onnx')(100, 100);
  expect(Number.isInteger(reports[1]!.bytesPerSecond)).toBe(true);
  expect(reports[1]!.bytesPerSecond).toBeGreaterThan(0);
});

test('what was there before is loaded, but not at any speed', () => {
  const { reports, progress } = recorded({ 'vision.onnx': 1_000_000, 'text.onnx': 1_000_000 });
  progress.of('vision.onnx')(1_000_000, 1_000_000);
  progress.of('text.onnx')(900_000, 1_000_000);
  expect(reports.at(-1)).toMatchObject({ loadedBytes: 1_900_000, bytesPerSecond: 0 });
});

test('loaded bytes never go backwards, never exceed the total, and end at it', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 4 });
  const steps = fc.array(fc.tuple(fc.nat(3), fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 30 });
  fc.assert(
    fc.property(sizes, steps, fc.boolean(), (bytes, chunks, published) => {
      const sizes = bytes.map((size, index) => [`file-${index}`, published ? size : null] as const);
      const { reports, progress } = recorded(Object.fromEntries(sizes));
      const files = sizes.map(([name]) => progress.of(name));
      for (const [at, share] of chunks) {
        const index = at % bytes.length;
        files[index]!(Math.floor(share * bytes[index]!), bytes[index]!);
      }
      files.forEach((report, index) => report(bytes[index]!, bytes[index]!));
      const sum = bytes.reduce((a, b) => a + b, 0);
      const loaded = reports.map(({ loadedBytes }) => loadedBytes);
      expect(loaded).toEqual(loaded.toSorted((a, b) => a - b));
      expect(reports.every(({ totalBytes }) => totalBytes === sum || totalBytes === null)).toBe(true);
      expect(reports.at(-1)).toMatchObject({ loadedBytes: sum, totalBytes: sum });
    }),
  );
});
