import { smokeTest } from '../../relay/test/smoke.ts';

smokeTest('NestJS on Express', new URL('../dist/main.js', import.meta.url), { RELAY_PLATFORM: 'express' });
smokeTest('NestJS on Fastify', new URL('../dist/main.js', import.meta.url), { RELAY_PLATFORM: 'fastify' });
