import { conformance } from '@holdfast/conformance';
import { onHono } from './servers/hono.ts';

conformance('Hono on Node', onHono);
