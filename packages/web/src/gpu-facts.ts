/** What the browser tells of its GPU. Loaded when one is thought of. */
import type { DeviceFacts } from '@mclip/core/adapter';

/** The parts of WebGPU that are asked, which TypeScript's DOM library lacks. */
interface Gpu {
  requestAdapter(): Promise<Adapter | null>;
}

interface Adapter {
  features: ReadonlySet<string>;
  info?: { vendor: string; architecture: string; device: string; description: string; isFallbackAdapter?: boolean };
  /** Where it was before it moved into `info`. */
  isFallbackAdapter?: boolean;
}

/** GPUs that are programs: right, and many times slower than wasm. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|warp|software/i;

/** @param facts of the machine */
export async function gpuFacts({ identity, memoryBytes }: DeviceFacts): Promise<DeviceFacts> {
  const { gpu } = navigator as Navigator & { gpu?: Gpu };
  const adapter = (await gpu?.requestAdapter().catch(() => null)) ?? null;
  const { vendor = '', architecture = '', device: model = '', description = '' } = adapter?.info ?? {};
  const name = [vendor, architecture, model, description].filter((part) => part !== '').join(' ');
  return {
    identity: `${identity} ${name}`,
    half: adapter?.features.has('shader-f16') ?? false,
    unfit: unfit(gpu, adapter, name),
    memoryBytes,
  };
}

function unfit(gpu: Gpu | undefined, adapter: Adapter | null, name: string): string | null {
  if (gpu === undefined) return 'this browser (or this insecure page) has no WebGPU';
  if (adapter === null) return 'there is no GPU adapter';
  if (adapter.isFallbackAdapter || adapter.info?.isFallbackAdapter || SOFTWARE.test(name)) {
    return `its adapter is emulated in software (${name || 'a fallback adapter'})`;
  }
  return null;
}
