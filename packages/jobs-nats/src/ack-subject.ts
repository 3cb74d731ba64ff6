/** What the server says of a delivery: the subject to which its outcome is sent. */

/** One delivery of one job. */
export interface DeliveryInfo {
  /** Which delivery this is, from 1. */
  readonly deliveries: number;
  /** The number of the job in its stream. */
  readonly seq: number;
  /** When the server stored the job, in milliseconds since the epoch. */
  readonly storedAt: number;
}

/** Reads `$JS.ACK[.domain.account].stream.consumer.deliveries.seq.delivery.nanoseconds.pending[.random]`. */
export function readAckSubject(subject: string): DeliveryInfo | undefined {
  const tokens = subject.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined;
  const at = tokens.length === 9 ? 4 : 6;
  const [deliveries, seq, , nanoseconds] = tokens.slice(at, at + 4).map(Number);
  if (deliveries === undefined || seq === undefined || nanoseconds === undefined) return undefined;
  return { deliveries, seq, storedAt: nanoseconds / 1_000_000 };
}
