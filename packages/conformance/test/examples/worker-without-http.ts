import { BoundedQueue, Service, logEvents } from '@holdfast/core';
import { runMain } from '@holdfast/node';

interface Message {
  id: string;
}
declare function fetchNextMessage(signal: AbortSignal): Promise<Message | null>;
declare function processMessage(message: Message, signal: AbortSignal): Promise<void>;
declare function flushTelemetry(): Promise<void>;

class MessageService {
  readonly #service = new Service({ name: 'messages' });
  readonly #queue = this.#service.own(
    new BoundedQueue<Message>({ name: 'messages', capacity: 100, overflow: 'drop-newest' }),
  );

  async run(): Promise<void> {
    logEvents(console);
    const producer = this.#queue.produce(
      async ({ signal }) => (await fetchNextMessage(signal)) ?? undefined,
      {
        idleMs: 100,
        errorDelayMs: 1_000,
      },
    );
    this.#queue.consume((message, { signal }) => processMessage(message, signal), { concurrency: 10 });
    this.#service.onShutdown('telemetry', flushTelemetry, { phase: 'flush' });
    console.log(producer.running);
    const report = await runMain(this.#service); // until SIGTERM
    console.log(report.outcome, report.components['messages']?.left);
  }
}
await new MessageService().run();
