/** Pictures as people give them: chosen, dropped anywhere on the page, pasted, or one of the samples. */
import { create, element } from './element';

const sampleUrls = import.meta.glob<string>('../../node-classify/images/*.png', {
  eager: true,
  query: '?url',
  import: 'default',
});
const SAMPLES = ['strawberry', 'penguin', 'airplane', 'cat', 'rose', 'guitar', 'umbrella', 'pizza'];
export const samples = SAMPLES.map((name) => ({ name, url: sampleUrls[`../../node-classify/images/${name}.png`]! }));

/** Shows every picture that is given, and hands its URL on. */
export function watchForPictures(onPicture: (url: string) => void): void {
  const shown = element<HTMLImageElement>('picture');
  const buttons: HTMLButtonElement[] = [];
  const show = (url: string, name: string) => {
    if (shown.src.startsWith('blob:')) URL.revokeObjectURL(shown.src);
    Object.assign(shown, { src: url, alt: name, hidden: false });
    buttons.forEach((button, index) => button.setAttribute('aria-pressed', String(samples[index]!.url === url)));
    onPicture(url);
  };
  const give = (file: File | undefined) => file && show(URL.createObjectURL(file), file.name);

  for (const { name, url } of samples) {
    const button = create('button', { type: 'button' }, create('img', { src: url, alt: name }));
    button.addEventListener('click', () => show(url, name));
    buttons.push(button);
    element('samples').append(create('li', {}, button));
  }
  const input = element<HTMLInputElement>('file');
  element('choose').addEventListener('click', () => input.click());
  input.addEventListener('change', () => give(input.files?.[0]));
  const stage = element('stage');
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    stage.toggleAttribute('data-dragging', true);
  });
  document.addEventListener('dragleave', ({ relatedTarget }) =>
    stage.toggleAttribute('data-dragging', relatedTarget !== null),
  );
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    stage.toggleAttribute('data-dragging', false);
    give(event.dataTransfer?.files[0]);
  });
  document.addEventListener('paste', ({ clipboardData }) => give(clipboardData?.files[0]));
  show(samples[0]!.url, samples[0]!.name);
}
