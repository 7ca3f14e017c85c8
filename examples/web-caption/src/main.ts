import { type Captioner, createCaptioner, type Progress } from '@mclip/web';
import { Conversation } from './conversation';
import { create, element } from './element';
import { Figures } from './figures';
import { MODELS, type ModelChoice } from './models';
import { watchForPictures } from './pictures';

const status = element('status');
const download = element<HTMLProgressElement>('download');
const question = element<HTMLInputElement>('question');
const select = element<HTMLSelectElement>('model');
const figures = new Figures();

let captioner: Captioner | null = null;
let picture: string | null = null;
let conversation: Conversation | null = null;
let loading: AbortController | null = null;

/** A new picture or a new model: the conversation begins again. */
async function begin(): Promise<void> {
  await conversation?.close();
  if (captioner === null || picture === null) return;
  conversation = new Conversation(captioner, picture, figures);
  await conversation.caption();
}

async function load({ model, about }: ModelChoice): Promise<void> {
  loading?.abort();
  const mine = new AbortController();
  loading = mine;
  element('licence').textContent = `Nothing leaves this device. ${about}`;
  status.textContent = 'Loading the model';
  try {
    const next = await createCaptioner({ model, signal: mine.signal, onProgress: showProgress });
    const previous = captioner;
    captioner = next;
    status.textContent = '';
    await begin();
    await previous?.dispose();
  } catch (error) {
    if (!mine.signal.aborted) status.textContent = (error as Error).message;
  } finally {
    if (loading === mine) download.hidden = true;
  }
}

function showProgress(progress: Progress): void {
  if (progress.phase !== 'download') return;
  const { loadedBytes, totalBytes } = progress;
  download.hidden = totalBytes === null || loadedBytes === totalBytes;
  download.value = totalBytes === null ? 0 : loadedBytes / totalBytes;
  status.textContent = `${Math.round(loadedBytes / 1e6)} MB`;
}

select.append(...MODELS.map(({ name }) => create('option', {}, name)));
select.addEventListener('change', () => load(MODELS[select.selectedIndex]!));
element('stop').addEventListener('click', () => conversation?.stop());
element('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  const asked = question.value.trim() || question.placeholder;
  question.value = '';
  void conversation?.ask(asked);
});
watchForPictures((url) => {
  picture = url;
  void begin();
});
await load(MODELS[0]!);
