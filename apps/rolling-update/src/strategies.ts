/** What is compared: ways to end a replica, on servers. */

/** A server that a replica can be. */
export type ServerName = 'express' | 'hono' | 'nest-express' | 'nest-fastify';

/** A way to end a replica. */
export type StrategyName =
  | 'plain-close'
  | 'terminus'
  | 'terminus-delay'
  | 'close-with-grace'
  | 'nest-hooks'
  | 'nest-hooks-503'
  | 'holdfast';

/** The servers, and what they are called. */
export const servers: Readonly<Record<ServerName, string>> = {
  express: 'Express',
  hono: 'Hono on Node',
  'nest-express': 'NestJS on Express',
  'nest-fastify': 'NestJS on Fastify',
};

/** The strategies, and what they are called. */
export const strategies: Readonly<Record<StrategyName, string>> = {
  'plain-close': 'plain `close()`',
  terminus: '@godaddy/terminus',
  'terminus-delay': '@godaddy/terminus, `beforeShutdown`',
  'close-with-grace': 'close-with-grace',
  'nest-hooks': '`enableShutdownHooks`',
  'nest-hooks-503': '`enableShutdownHooks`, `return503OnClosing`',
  holdfast: 'Holdfast',
};

/** Whether `strategy` is one for `server`: Nest's own are for Nest. */
export function suits(strategy: StrategyName, server: ServerName): boolean {
  return !strategy.startsWith('nest-') || server.startsWith('nest-');
}
