/** esbuild copies no files: they are copied by hand (docs/web.md) and pointed at. */
import { configure, createClassifier } from '@mclip/web';

configure({ workerUrl: '/mclip/clip-worker.js', wasmPaths: '/onnxruntime/' });

try {
  const classifier = await createClassifier(['cat', 'pizza', 'rocket'], { model: '/models/nano-clip/' });
  const [best] = await classifier.classify('/pizza.png');
  globalThis.answer = { label: best.label, device: classifier.device.name };
  await classifier.dispose();
} catch (error) {
  globalThis.answer = { error: `${error.code}: ${error.message}` };
}
