import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Deadline, type CallOptions } from '@holdfast/core';
import { readJson } from '../src/body.ts';
import { requestOf } from '../src/requests.ts';

let server: Server;
let limits: CallOptions;
/** What reading the body came to, of each request. */
let read: unknown[];

beforeEach(async () => {
  limits = {};
  read = [];
  server = createServer((incoming, response) => {
    void answer(incoming).then((text) => response.end(text));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function answer(incoming: IncomingMessage): Promise<string> {
  try {
    read.push({ value: await readJson(requestOf(incoming), { ...limits, maxBytes: 20 }) });
    return 'ok';
  } catch (error) {
    read.push(error);
    return error instanceof Error && 'code' in error ? String(error.code) : 'failed';
  }
}

function url(): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function post(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<string> {
  const response = await fetch(url(), {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  return response.text();
}

describe('readJson', () => {
  it.each([
    'application/json',
    'Application/JSON; charset=UTF-8',
    'application/json;charset="utf-8"',
    'application/json; v=1',
  ])('takes JSON sent as %s', async (type) => {
    expect(await post('{"a":"ü"}', { 'content-type': type })).toBe('ok');
    expect(read).toEqual([{ value: { a: 'ü' } }]);
  });

  it.each([
    [{ 'content-type': 'text/plain' }],
    [{ 'content-type': 'application/problem+json' }],
    [{ 'content-type': 'application/json; charset=latin1' }],
    [{ 'content-encoding': 'gzip' }],
  ])('refuses a body with %j', async (headers) => {
    expect(await post('{}', headers)).toBe('UNSUPPORTED_MEDIA_TYPE');
  });

  it('refuses what is not JSON in UTF-8', async () => {
    expect(await post('')).toBe('BAD_REQUEST');
    expect(await post('{"a":')).toBe('BAD_REQUEST');
    expect(await post(new Uint8Array([0x22, 0xff, 0x22]))).toBe('BAD_REQUEST');
  });

  it('takes as many bytes as are allowed, and no more, and keeps the connection', async () => {
    const text = `"${'x'.repeat(18)}"`;
    expect(await post(text)).toBe('ok');
    expect(await post(`${text} `)).toBe('BODY_TOO_LARGE');
    expect(await post('x'.repeat(1_000_000))).toBe('BODY_TOO_LARGE');
    expect(await post(text)).toBe('ok');
  });

  it('counts the bytes of a body that does not say its length', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const sent = request(url(), { method: 'POST', headers: { 'content-type': 'application/json' } });
      sent.once('error', reject);
      sent.once('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.once('end', () => resolve(text));
      });
      sent.write('"0123456789');
      setImmediate(() => sent.write('0123456789'));
    });
    expect(answer).toBe('BODY_TOO_LARGE');
  });

  it('stops at the deadline, though the rest never comes', async () => {
    limits = { deadline: Deadline.after(30) };
    const sent = request(url(), { method: 'POST', headers: { 'content-type': 'application/json' } });
    sent.on('error', () => undefined);
    sent.write('{');
    await expect.poll(() => read).toEqual([expect.objectContaining({ code: 'TIMEOUT' })]);
    sent.destroy();
  });

  it('stops with the reason of its signal when the caller leaves', async () => {
    const left = new AbortController();
    limits = { signal: left.signal };
    const sent = request(url(), { method: 'POST', headers: { 'content-type': 'application/json' } });
    sent.on('error', () => undefined);
    sent.write('{');
    await new Promise((resolve) => server.once('request', resolve));
    left.abort(new Error('left'));
    await expect.poll(() => read).toEqual([new Error('left')]);
    sent.destroy();
  });

  it('refuses a body that breaks off', async () => {
    const sent = request(url(), { method: 'POST', headers: { 'content-type': 'application/json' } });
    sent.on('error', () => undefined);
    sent.write('{');
    await new Promise((resolve) => server.once('request', resolve));
    sent.destroy();
    await expect.poll(() => read).toEqual([expect.objectContaining({ code: 'BAD_REQUEST' })]);
  });
});
