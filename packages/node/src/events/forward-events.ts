/** Core's events as channels of `node:diagnostics_channel`, for tools that listen there. */
import { channel } from 'node:diagnostics_channel';
import { subscribe } from '@holdfast/core';

/**
 * Publishes every event on the channel of its area until the handle is disposed: `queue.dropped` on `holdfast:queue`,
 * `circuit.opened` on `holdfast:circuit`. The message is the event itself.
 *
 * @example
 * using forwarding = forwardEvents();
 * diagnostics_channel.subscribe('holdfast:circuit', (event) => page(event));
 */
export function forwardEvents(): Disposable {
  return subscribe((event) => {
    const [area = event.type] = event.type.split('.');
    const target = channel(`holdfast:${area}`);
    if (target.hasSubscribers) target.publish(event);
  });
}
