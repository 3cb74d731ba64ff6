/** Gets rid of a response that nobody will read, so that its connection can be used again. */

/** Beyond this, closing the connection is cheaper than reading on. */
const MAX_BYTES = 64 * 1_024;

/** The rest of a body, being read into nothing. */
export class Discarded {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(response: Response) {
    // whoever has locked it reads it, or has read it
    this.#reader = response.body?.locked ? undefined : response.body?.getReader();
    // a connection that fails is gone, which is as good
    void this.#read().catch(() => {});
  }

  /** Reads no further and closes the connection, if there is more to read. */
  cancel(): void {
    this.#reader?.cancel().catch(() => {});
  }

  async #read(): Promise<void> {
    let bytes = 0;
    for (let chunk = await this.#reader?.read(); chunk?.done === false; chunk = await this.#reader?.read()) {
      bytes += chunk.value.byteLength;
      if (bytes > MAX_BYTES) return this.cancel();
    }
  }
}
