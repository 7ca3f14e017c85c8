/** What is known about an answer. */
import type { Answered, EncodeTimings } from './engine.js';

/** Milliseconds, except the rate. */
export interface CaptionTimings extends EncodeTimings {
  /** Of the prompt: of the question alone when the picture was asked about before. */
  prefillMs: number;
  /** From the call to the first token, everything included. */
  timeToFirstTokenMs: number;
  /** Of the tokens after the first; 0 when there are none. */
  tokensPerSecond: number;
}

export interface Caption {
  text: string;
  /** Ids of the answer. */
  tokens: number[];
  /** Of the prompt, the picture's included. */
  promptTokens: number;
  /** `'stop'`: the model or a stop string ended it. `'length'`: `maxNewTokens` or the context did. */
  finishReason: 'stop' | 'length';
  timings: CaptionTimings;
}

/** @param encodedMs from the call until the image was encoded */
export function captionOf(answer: Answered, encode: EncodeTimings, encodedMs: number): Caption {
  const { text, tokenIds, promptTokens, finishReason, prefillMs, firstTokenMs, decodeMs } = answer;
  const { decodeMs: imageDecodeMs, preprocessMs, visionMs } = encode;
  return {
    text,
    tokens: tokenIds,
    promptTokens,
    finishReason,
    timings: {
      decodeMs: imageDecodeMs,
      preprocessMs,
      visionMs,
      prefillMs,
      timeToFirstTokenMs: encodedMs + firstTokenMs,
      tokensPerSecond: tokenIds.length > 1 ? ((tokenIds.length - 1) * 1000) / decodeMs : 0,
    },
  };
}
