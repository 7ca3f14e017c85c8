/** Labels pictures and a live camera with words of one's own, in the browser. */
import type { Classification, Classifier } from '@mclip/web';
import { Announcer } from './announcer';
import { Camera } from './camera';
import { CurrentClassifier } from './current-classifier';
import { element } from './element';
import { Figures } from './figures';
import { LabelEditor } from './label-editor';
import { ModelPicker } from './model-picker';
import { MODELS } from './models';
import { markSample, type Picture, samples, watchForPictures } from './pictures';
import { nameOf, ScoreBars } from './score-bars';

const LABELS =
  'cat, dog, pizza, hamburger, strawberry, penguin, owl, crab, rocket, airplane, train, bicycle, guitar, rose, umbrella, football';

/** After the last key, before labels are embedded. Milliseconds. */
const TYPING_PAUSE = 200;

const image = element<HTMLImageElement>('picture');
const video = element<HTMLVideoElement>('video');
const cameraButton = element<HTMLButtonElement>('camera');
const unknown = element<HTMLInputElement>('unknown');
const problem = element('problem');

const editor = new LabelEditor(LABELS.split(', '));
const current = new CurrentClassifier({ labels: editor.labels, unknown: unknown.checked });
const camera = new Camera(video, () => current.get());
const bars = new ScoreBars();
const figures = new Figures();
const announcer = new Announcer();
let picture: Picture = samples[0]!;

function showResults(results: Classification[], ms: number, fps: number | null): void {
  bars.show(results, fps !== null);
  figures.showSpeed(ms, fps);
  announcer.say(nameOf(results[0]!), results[0]!.score, fps !== null);
}

async function classifyPicture(): Promise<void> {
  const [classifier, shown] = [current.get(), picture];
  if (classifier === null || camera.running) return;
  const isStale = () => shown !== picture || classifier !== current.get() || camera.running;
  try {
    const file = await shown.read();
    const start = performance.now();
    const results = await classifier.classify(file);
    if (!isStale()) showResults(results, performance.now() - start, null);
  } catch (error) {
    if (isStale()) return;
    image.hidden = true;
    bars.clear();
    report(error);
  }
}

function showPicture(next: Picture): void {
  camera.stop();
  picture = next;
  problem.textContent = '';
  image.src = next.url;
  image.alt = next.name;
  markSample(next);
  showStage('picture');
  void classifyPicture();
}

function showStage(what: 'picture' | 'camera'): void {
  image.hidden = what === 'camera';
  video.hidden = what === 'picture';
  cameraButton.textContent = what === 'camera' ? 'Stop camera' : 'Camera';
  cameraButton.toggleAttribute('data-on', what === 'camera');
}

async function toggleCamera(): Promise<void> {
  if (camera.running) {
    showPicture(picture);
    return;
  }
  problem.textContent = '';
  markSample(null);
  showStage('camera');
  try {
    await camera.run(({ results, ms, fps }) => showResults(results, ms, fps));
    if (!camera.running && image.hidden) showPicture(picture); // it was unplugged
  } catch (error) {
    showPicture(picture);
    report(error);
  }
}

let typing: ReturnType<typeof setTimeout> | undefined;

function relabel(): void {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const wanted = { labels: editor.labels.slice(), unknown: unknown.checked };
    current.setLabels(wanted).catch((error: Error) => editor.note(error.message));
  }, TYPING_PAUSE);
}

function report(error: unknown): void {
  problem.textContent = (error as Error).message;
}

current.onChange = (classifier: Classifier) => {
  figures.showDevice(classifier.device);
  void classifyPicture();
};
editor.onChange = relabel;
unknown.addEventListener('change', relabel);
cameraButton.addEventListener('click', toggleCamera);
watchForPictures(showPicture);
new ModelPicker((choice, options) => current.load(choice.model, options));
showPicture(picture);
current.load(MODELS[0]!.model).catch((error: unknown) => {
  bars.clear();
  report(error);
});
