/** What computes in a worker, as the caller's thread sees it: its method 'open' comes first, 'dispose' last. */
import { MclipError } from '../errors.js';
import type { Computing } from '../model/host.js';
import type { WorkerPort } from '../platform.js';
import { WorkerClient } from './channel.js';

export class RemoteComputing implements Computing {
  protected readonly client: WorkerClient;
  protected readonly opened: Promise<void>;
  #started = false;

  /** @param given to 'open' */
  constructor(port: WorkerPort, given: unknown) {
    this.client = new WorkerClient(port);
    this.opened = this.client.call('open', given);
    this.opened.then(
      () => {
        this.#started = true;
      },
      () => {}, // reported by the first load
    );
  }

  /** A worker that never started would not start the next time either. */
  get stopped(): MclipError | null {
    return this.#started ? this.client.stopped : null;
  }

  async dispose(): Promise<void> {
    this.client.cancelAll(new MclipError('DISPOSED', 'The model was disposed while this call was under way.'));
    await this.client.call('dispose', {}).catch(() => {}); // a worker that died is disposed of
    await this.client.idle(); // a load that was given up may be inside of native code
    await this.abandon();
  }

  abandon(): Promise<void> {
    return this.client.terminate(new MclipError('DISPOSED', 'The model was disposed.'));
  }
}
