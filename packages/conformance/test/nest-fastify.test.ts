import 'reflect-metadata';
import { conformance } from '@holdfast/conformance';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { onNest } from './servers/nest.ts';

conformance(
  'Nest on Fastify',
  onNest((module) => NestFactory.create(module, new FastifyAdapter(), { logger: false })),
);
