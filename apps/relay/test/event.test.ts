import { describe, expect, it } from 'vitest';
import { readBatch, readDigestOrder, readEvent, readUrl } from '../src/event.ts';

const any = (): boolean => true;
const url = 'https://subscriber.example/hook';
const refused = expect.objectContaining({ code: 'BAD_REQUEST', status: 400 });

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('readEvent', () => {
  it('keeps the id and makes one where there is none', () => {
    expect(readEvent({ id: 'AZaz09._~-', url, payload: 1 }, any).id).toBe('AZaz09._~-');
    const ids = [readEvent({ url, payload: 1 }, any).id, readEvent({ url, payload: 1 }, any).id];
    expect(new Set(ids).size).toBe(2);
    expect(ids[0]).toMatch(/^[\w.~-]{1,128}$/);
  });

  it.each([[null], [false], [0], [''], [[]], [{ a: [1, { b: null }] }], ['\ud800']])(
    'takes %j as a payload',
    (payload) => {
      expect(JSON.parse(readEvent({ url, payload }, any).payload)).toEqual(payload);
    },
  );

  it('keeps a member called __proto__', () => {
    const event = readEvent(JSON.parse(`{"url":"${url}","payload":{"__proto__":{"a":1}}}`), any);
    expect(event.payload).toBe('{"__proto__":{"a":1}}');
  });

  it.each([
    ['no payload', { url }],
    ['no url', { payload: 1 }],
    ['a null id', { id: null, url, payload: 1 }],
    ['an empty id', { id: '', url, payload: 1 }],
    ['an id of 129 characters', { id: 'x'.repeat(129), url, payload: 1 }],
    ['an id with a line break at its end', { id: 'x\n', url, payload: 1 }],
    ['an id with a letter beyond ASCII', { id: 'ä', url, payload: 1 }],
    ['an unknown member', { url, payload: 1, priority: 1 }],
    ['a member inherited from nowhere', JSON.parse(`{"url":"${url}","payload":1,"__proto__":1}`)],
    ['null', null],
    ['an array', []],
    [
      'a payload that is nested beyond what can be written',
      { url, payload: JSON.parse('['.repeat(9_000) + ']'.repeat(9_000)) },
    ],
  ])('refuses %s', (_, event) => {
    expect(thrownBy(() => readEvent(event, any))).toEqual(refused);
  });
});

describe('readUrl', () => {
  it('keeps a URL as it was written', () => {
    const written = 'HTTP://Subscriber.Example:80/a b?c=d#e';
    expect(readUrl(written, any)).toMatchObject({
      text: written,
      url: { origin: 'http://subscriber.example' },
    });
    expect(readUrl(`http://x/${'y'.repeat(2_039)}`, any).text).toHaveLength(2_048);
  });

  it.each([
    'ftp://x/',
    '/hook',
    '//x/hook',
    'http:x',
    ' http://x/',
    'http://x/\n',
    'http://x/\ud800',
    'http://',
    'http://user:secret@x/',
    'javascript:alert(1)',
    `http://x/${'y'.repeat(2_040)}`,
    '',
    7,
    undefined,
  ])('refuses %j', (value) => {
    expect(thrownBy(() => readUrl(value, any))).toEqual(refused);
  });

  it('refuses an origin that is not allowed', () => {
    expect(thrownBy(() => readUrl(url, () => false))).toEqual(refused);
  });
});

describe('readBatch', () => {
  it('takes 1 to 1 000 events', () => {
    expect(readBatch({ events: [1] })).toEqual([1]);
    expect(readBatch({ events: Array.from({ length: 1_000 }) })).toHaveLength(1_000);
  });

  it.each([
    [{}],
    [{ events: [] }],
    [{ events: {} }],
    [{ events: Array.from({ length: 1_001 }) }],
    [{ events: [1], more: 1 }],
    [[]],
  ])('refuses batch %#', (value) => {
    expect(thrownBy(() => readBatch(value))).toEqual(refused);
  });
});

describe('readDigestOrder', () => {
  it('has a cost of 14 unless told', () => {
    expect(readDigestOrder({ text: '' })).toEqual({ text: '', cost: 14 });
    expect(readDigestOrder({ text: 'x', cost: 10 })).toEqual({ text: 'x', cost: 10 });
  });

  it.each([
    [{}],
    [{ text: 1 }],
    [{ text: 'x', cost: 9 }],
    [{ text: 'x', cost: 17 }],
    [{ text: 'x', cost: 10.5 }],
    [{ text: 'x', cost: '14' }],
    [{ text: 'x', cost: null }],
    [{ text: 'x', salt: 'y' }],
  ])('refuses %j', (value) => {
    expect(thrownBy(() => readDigestOrder(value))).toEqual(refused);
  });
});
