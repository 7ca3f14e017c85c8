/** What a user's application does: import, create, classify. */
import { nanoClip } from '@mclip/nano';
import { createClassifier } from '@mclip/web';

try {
  const classifier = await createClassifier(['cat', 'strawberry', 'rocket'], { model: nanoClip });
  const [best] = await classifier.classify('/strawberry.png');
  globalThis.answer = { label: best.label, device: classifier.device.name };
  await classifier.dispose();
} catch (error) {
  globalThis.answer = { error: `${error.code}: ${error.message}` };
}
