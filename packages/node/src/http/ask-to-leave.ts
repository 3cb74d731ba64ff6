/** Makes a response say that its connection ends with it, whatever the application says: proxies copy what they were told. */
import type { ServerResponse } from 'node:http';

type WriteHead = (...args: unknown[]) => ServerResponse;

/** Puts `Connection: close` into the head of a response that has not been sent. */
export function askToLeave(response: ServerResponse): void {
  if (response.headersSent) return;
  // what is passed on is what was given, whatever its form
  const writeHead = response.writeHead.bind(response) as WriteHead;
  const asking: WriteHead = (...args) => {
    if (args[0] !== 101) response.setHeader('Connection', 'close');
    return writeHead(...args.map(withoutConnection));
  };
  response.writeHead = asking;
}

/** The headers among the arguments, as an object or as a flat list of names and values, less their word on the connection. */
function withoutConnection(argument: unknown): unknown {
  if (typeof argument !== 'object' || argument === null) return argument;
  if (Array.isArray(argument))
    return argument.filter((_, index) => !isConnection(argument[index - (index % 2)]));
  return Object.fromEntries(Object.entries(argument).filter(([name]) => !isConnection(name)));
}

function isConnection(name: unknown): boolean {
  return typeof name === 'string' && name.toLowerCase() === 'connection';
}
