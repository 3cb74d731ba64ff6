/** The thread of the block tracer: watches the heartbeat and looks into the main thread when that has stopped. */
import { Session, type Debugger } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';

/** What it is told. */
export interface TracerData {
  /** Grows while the loop runs. */
  readonly beats: Int32Array<SharedArrayBuffer>;
  readonly limitMs: number;
}

/** What it saw. */
export interface BlockReport {
  readonly stack: readonly string[];
}

const { beats, limitMs }: TracerData = workerData;
const MAX_FRAMES = 20;

let seen = Atomics.load(beats, 0);
let seenAt = performance.now();
let isReported = false;

setInterval(look, Math.max(1, limitMs / 4));

function look(): void {
  const beat = Atomics.load(beats, 0);
  if (beat !== seen) {
    seen = beat;
    seenAt = performance.now();
    isReported = false;
  } else if (!isReported && performance.now() - seenAt >= limitMs) {
    isReported = true;
    trace();
  }
}

/** Attaches, notes the stack, and detaches: left attached, the process would wait for a debugger when it ends. */
function trace(): void {
  const session = new Session();
  session.connectToMainThread();
  const urls = new Map<string, string>();
  session.on('Debugger.scriptParsed', ({ params }) => void urls.set(params.scriptId, params.url));
  session.once('Debugger.paused', ({ params }) => {
    session.post('Debugger.resume', () => session.disconnect());
    const stack = params.callFrames
      .slice(0, MAX_FRAMES)
      .map((frame) => describe(frame, urls.get(frame.location.scriptId) ?? frame.url));
    parentPort?.postMessage({ stack } satisfies BlockReport);
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
}

function describe({ functionName, location }: Debugger.CallFrame, url: string): string {
  const file = url.startsWith('file:') ? fileURLToPath(url) : url;
  return `${functionName === '' ? '(anonymous)' : functionName} (${file}:${location.lineNumber + 1})`;
}
