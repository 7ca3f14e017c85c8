/** Pictures as people give them: chosen, dropped anywhere on the page, pasted, or one of the samples. */
import { create, element } from './element';

export interface Picture {
  /** For `<img>`. */
  url: string;
  name: string;
  /** The encoded file, for the classifier. */
  read(): Promise<Blob>;
}

const sampleUrls = import.meta.glob<string>('../../node-classify/images/*.png', {
  eager: true,
  query: '?url',
  import: 'default',
});

const SAMPLES = ['cat', 'pizza', 'owl', 'rocket', 'strawberry', 'guitar', 'airplane', 'umbrella'];

export const samples: Picture[] = SAMPLES.map((name) => {
  const url = sampleUrls[`../../node-classify/images/${name}.png`]!;
  return { name, url, read: async () => (await fetch(url)).blob() };
});

export function watchForPictures(onPicture: (picture: Picture) => void): void {
  let last: string | null = null;
  const give = (file: File | undefined) => {
    if (file === undefined) return;
    if (last !== null) URL.revokeObjectURL(last);
    last = URL.createObjectURL(file);
    onPicture({ url: last, name: file.name, read: async () => file });
  };
  addSamples(onPicture);
  chooseFile(give);
  takeDrops(give);
  document.addEventListener('paste', ({ clipboardData }) => give(clipboardData?.files[0]));
}

function addSamples(onPicture: (picture: Picture) => void): void {
  const list = element('samples');
  for (const picture of samples) {
    const image = create('img', { src: picture.url, alt: picture.name, width: 48, height: 48 });
    const button = create('button', { type: 'button' }, image);
    button.addEventListener('click', () => onPicture(picture));
    list.append(create('li', {}, button));
  }
}

/** Marks the sample that is shown, if one is. */
export function markSample(shown: Picture | null): void {
  element('samples')
    .querySelectorAll('button')
    .forEach((button, index) => button.setAttribute('aria-pressed', String(samples[index] === shown)));
}

function chooseFile(give: (file: File | undefined) => void): void {
  const input = element<HTMLInputElement>('file');
  element('choose').addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    give(input.files?.[0]);
    input.value = ''; // so that the same file can be chosen again
  });
}

function takeDrops(give: (file: File | undefined) => void): void {
  const stage = element('stage');
  const mark = (dragging: boolean) => stage.toggleAttribute('data-dragging', dragging);
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    mark(true);
  });
  document.addEventListener('dragleave', ({ relatedTarget }) => mark(relatedTarget !== null));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    mark(false);
    give(event.dataTransfer?.files[0]);
  });
}
