/**
 * Frames of cameras and videos. A camera's track is read directly where the browser can (MediaStreamTrackProcessor),
 * any other video through requestVideoFrameCallback, which pauses while the page is hidden.
 */
import { MclipError } from '@mclip/core';
import { type FrameSource, invalid } from '@mclip/core/adapter';

/** What `watch` takes. It is only looked at: never stopped, paused or played. */
export type VideoSource = HTMLVideoElement | MediaStream | MediaStreamTrack;

/** Not in TypeScript's DOM library. */
declare const MediaStreamTrackProcessor: new (init: {
  track: MediaStreamTrack;
  maxBufferSize: number;
}) => { readable: ReadableStream<VideoFrame> };

export function openFrames(video: unknown): FrameSource {
  const kind = Object.prototype.toString.call(video).slice(8, -1); // also of objects of another frame of the page
  if (kind === 'HTMLVideoElement') {
    const element = video as HTMLVideoElement;
    const track = liveTrack(element.srcObject);
    return track !== null && hasProcessor() ? trackFrames(track) : elementFrames(element);
  }
  // both have subclasses: Firefox's stream of a canvas is a CanvasCaptureMediaStream
  const track = /MediaStream$/.test(kind) ? liveTrack(video as MediaStream) : (video as MediaStreamTrack | null);
  if (/MediaStream(Track)?$/.test(kind) && track?.kind === 'video') {
    return hasProcessor() ? trackFrames(track) : hiddenElementFrames(track);
  }
  throw invalid(`watch() takes a <video>, or a MediaStream or MediaStreamTrack with live video, got ${kind}.`);
}

const hasProcessor = () => typeof MediaStreamTrackProcessor === 'function';

function liveTrack(source: MediaProvider | null): MediaStreamTrack | null {
  if (source === null || !('getVideoTracks' in source)) return null;
  return source.getVideoTracks().find(({ readyState }) => readyState === 'live') ?? null;
}

function trackFrames(track: MediaStreamTrack): FrameSource {
  // one frame is buffered: a newer one replaces it, so what is read is always the newest
  const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 }).readable.getReader();
  return {
    async next() {
      const { done, value: frame } = await reader.read();
      if (done) return null;
      try {
        return await createImageBitmap(frame);
      } finally {
        frame.close(); // a camera stops delivering while its frames are held
      }
    },
    close: () => void reader.cancel().catch(() => {}),
  };
}

function elementFrames(video: HTMLVideoElement): FrameSource {
  let isNew = video.readyState >= video.HAVE_CURRENT_DATA && !video.ended;
  let ended = video.ended;
  let wake = () => {};
  let request = video.requestVideoFrameCallback(function onFrame() {
    isNew = true;
    wake();
    request = video.requestVideoFrameCallback(onFrame);
  });
  const onEnd = () => {
    ended = true;
    wake();
  };
  video.addEventListener('ended', onEnd);
  video.addEventListener('error', onEnd);
  return {
    async next() {
      while (!isNew && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (video.error !== null) throw new MclipError('IMAGE_DECODE', `The video failed: ${video.error.message}`);
      if (!isNew) return null;
      isNew = false;
      return createImageBitmap(video);
    },
    close() {
      video.cancelVideoFrameCallback(request);
      video.removeEventListener('ended', onEnd);
      video.removeEventListener('error', onEnd);
      isNew = false;
      onEnd();
    },
  };
}

/** A track without an element of its own. */
function hiddenElementFrames(track: MediaStreamTrack): FrameSource {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  video.srcObject = new MediaStream([track]);
  video.play().catch(() => {});
  const frames = elementFrames(video);
  track.addEventListener('ended', frames.close);
  return {
    next: frames.next,
    close() {
      track.removeEventListener('ended', frames.close);
      frames.close();
      video.srcObject = null;
    },
  };
}
