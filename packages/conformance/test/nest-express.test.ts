import 'reflect-metadata';
import { conformance } from '@holdfast/conformance';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { onNest } from './servers/nest.ts';

conformance(
  'Nest on Express',
  onNest((module) => NestFactory.create(module, new ExpressAdapter(), { logger: false })),
);
