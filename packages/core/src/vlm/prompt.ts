/**
 * A conversation about a picture as token ids, exactly as FastVLM was trained (LLaVA's `qwen_2` template): system line,
 * then the user's turn that begins with the picture, then the assistant's. Words of the caller never become special
 * tokens, whatever they spell.
 */
import { MclipError } from '../errors.js';
import type { Qwen2Tokenizer } from '../text/qwen2-tokenizer.js';
import type { Turn } from './engine.js';
import type { VlmManifest } from './vlm-manifest.js';

export class Prompts {
  /** Ids that end an answer. */
  readonly stopIds: ReadonlySet<number>;
  readonly #tokenizer: Qwen2Tokenizer;
  readonly #start: number;
  readonly #end: number;

  /** @throws {MclipError} `MODEL_CORRUPT` when the tokenizer lacks a token of the template. */
  constructor(tokenizer: Qwen2Tokenizer, { stop }: VlmManifest['prompt']) {
    this.#tokenizer = tokenizer;
    const id = (token: string) => {
      const found = tokenizer.tokenId(token);
      if (found === undefined) throw new MclipError('MODEL_CORRUPT', `The tokenizer has no token '${token}'.`);
      return found;
    };
    this.#start = id('<|im_start|>');
    this.#end = id('<|im_end|>');
    this.stopIds = new Set(stop.map(id));
  }

  /** Everything before the picture. */
  beforeImage(system: string): number[] {
    return [
      this.#start,
      ...this.#plain(`system\n${system}`),
      this.#end,
      ...this.#plain('\n'),
      this.#start,
      ...this.#plain('user\n'),
    ];
  }

  /** Everything after the picture, up to where the answer begins. */
  firstQuestion(question: string): number[] {
    return [...this.#plain(`\n${question}`), ...this.#toAnswer()];
  }

  /** As `firstQuestion`, with turns before it. */
  conversation(earlier: readonly Turn[], question: string): number[] {
    const [first, ...next] = [...earlier.map((turn) => turn.question), question];
    return [
      ...this.firstQuestion(first!),
      ...next.flatMap((text, index) => [...earlier[index]!.answer, ...this.nextQuestion(text)]),
    ];
  }

  /** From the end of an answer to the beginning of the next one. */
  nextQuestion(question: string): number[] {
    return [this.#end, ...this.#plain('\n'), this.#start, ...this.#plain(`user\n${question}`), ...this.#toAnswer()];
  }

  /** The ids of an option's text, and the end of the answer. */
  answer(text: string): number[] {
    return [...this.#plain(text), this.#end];
  }

  #toAnswer(): number[] {
    return [this.#end, ...this.#plain('\n'), this.#start, ...this.#plain('assistant\n')];
  }

  #plain(text: string): number[] {
    return this.#tokenizer.encode(text, { specialTokens: false });
  }
}
