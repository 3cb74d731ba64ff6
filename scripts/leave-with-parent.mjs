/** Preloaded into the apps of the demonstration: should the script that started one vanish, the app shuts down too. */
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel?.unref();
}
