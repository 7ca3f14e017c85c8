/** A captioner's model onto a device that proves itself. */
import { autoDevices, type Candidates, type Workload } from '../model/auto-devices.js';
import type { SelfCheck } from '../model/canary.js';
import type { Device } from '../model/device.js';
import { loadOnFirstDevice } from '../model/first-device.js';
import { isLossy, loadChecked } from '../model/self-check.js';
import type { DeviceName } from '../platform.js';
import type { CaptionerOptions } from './captioner-options.js';
import { chooseVlmDtypes, type VlmDtypes } from './choose-vlm-dtype.js';
import type { VlmEngine } from './engine.js';
import { fasterDecoder } from './faster-decoder.js';
import { type Fetching, fetchVlm } from './fetch-vlm.js';
import { memoryPlan } from './memory-plan.js';

export interface VlmPlacing extends Fetching {
  options: CaptionerOptions;
  engine: VlmEngine;
  /** Set after a failure while running: the devices that are left, which answer again whatever was found before. */
  candidates?: Candidates;
  startEngine(): Promise<VlmEngine>;
}

/** Which files are fetched depends on the device. */
export async function placeVlm(placing: VlmPlacing): Promise<Device> {
  const { platform, settings, located, options, engine } = placing;
  const { device: asked = 'auto', memory = 'auto' } = options;
  const { canary } = located.manifest;
  const candidates =
    placing.candidates ??
    (asked === 'auto' ? await autoDevices(platform, await workload(placing)) : { devices: [asked], rejected: [] });
  let whyDtype = '';
  let notes: string[] = [];
  const placed = await loadOnFirstDevice(platform, settings, asked, candidates, async (device) => {
    whyDtype = '';
    const { half, memoryBytes } = await platform.deviceFacts(device);
    const dtypes = chooseVlmDtypes(located, device, options.dtype, half);
    if (device === 'cpu' && isOpen(placing)) {
      const { dtype, why } = await fasterDecoder(platform, settings, device, engine);
      dtypes.decoder = dtype;
      whyDtype = `; ${why}`;
    }
    const graphs = await filesOf(placing, dtypes);
    const sizes = graphs.map(({ bytes }, index) => ({ dtype: index === 0 ? dtypes.vision : dtypes.decoder, bytes }));
    const load = async (target: VlmEngine, on: DeviceName, check: SelfCheck | null) => {
      const files = await fetchVlm(placing, dtypes);
      const kept = memoryPlan(memory, on, sizes, memoryBytes);
      const numThreads = platform.threads(on, settings).count;
      const loaded = await target.load({ ...files, dtypes, device: on, numThreads, kept, check });
      notes = loaded.notes;
      return loaded.answer;
    };
    const hashes = graphs.map(({ sha256 }) => sha256);
    await loadChecked({
      ...{ platform, settings, device, what: 'first logits', again: placing.candidates !== undefined },
      ...{ engine, load, startAnother: placing.startEngine },
      dtype: isLossy(dtypes.vision) ? dtypes.vision : dtypes.decoder,
      sha256: hashes.includes(null) ? null : hashes.join(' '),
      expected: canary && Float32Array.from(canary.logits),
    });
    return dtypes.decoder;
  });
  return { ...placed, reason: [placed.reason + whyDtype, ...notes].join('; ') };
}

/** Whether the decoder's form is ours to choose, and there is a choice. */
function isOpen({ located, options: { dtype = 'auto' } }: VlmPlacing): boolean {
  const { q8, q4 } = located.manifest.graphs.decoder.files;
  const asked = typeof dtype === 'object' ? (dtype.decoder ?? 'auto') : dtype;
  return asked === 'auto' && q8 !== undefined && q4 !== undefined;
}

/** On a GPU. */
async function workload(placing: VlmPlacing): Promise<Workload> {
  const dtypes = chooseVlmDtypes(placing.located, 'webgpu', placing.options.dtype);
  const [vision, decoder] = await filesOf(placing, dtypes);
  const bytes = decoder!.bytes;
  return { dtype: dtypes.decoder, bytes, totalBytes: bytes && vision!.bytes && bytes + vision!.bytes };
}

function filesOf({ located }: VlmPlacing, { vision, decoder }: VlmDtypes) {
  const { graphs } = located.manifest;
  return Promise.all([graphs.vision.files[vision]!, graphs.decoder.files[decoder]!].map(located.locate));
}
