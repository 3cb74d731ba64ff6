/** Gets rid of a response that nobody will read, so that its connection can be used again. */

/** Beyond this, closing the connection is cheaper than reading on. */
const MAX_BYTES = 64 * 1_024;

/** Reads a small body to its end and cancels a large one; never fails, and need not be waited for. */
export async function discard(response: Response): Promise<void> {
  try {
    const reader = response.body?.getReader();
    let bytes = 0;
    for (let done = reader === undefined; !done;) {
      const chunk = await reader?.read();
      bytes += chunk?.value?.byteLength ?? 0;
      done = chunk?.done ?? true;
      if (bytes > MAX_BYTES) return await reader?.cancel();
    }
  } catch {
    // the connection is gone already
  }
}
