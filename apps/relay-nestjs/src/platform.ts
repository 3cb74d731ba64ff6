/** The HTTP servers that Nest can run the relay on, set up so that both leave paths and bodies to the relay. */
import { problem, type RelayConfig } from '@holdfast-app/relay';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import express from 'express';
import type { FastifyReply } from 'fastify';

/** The adapter of `RELAY_PLATFORM`. */
export function platformAdapter({ platform }: RelayConfig): AbstractHttpAdapter {
  if (platform === 'fastify') return fastifyAdapter();
  // its router is made with the first use, so what is set comes before Nest has it
  const app = express().disable('x-powered-by').disable('etag');
  return new ExpressAdapter(app.enable('case sensitive routing').enable('strict routing'));
}

function fastifyAdapter(): FastifyAdapter {
  const adapter = new FastifyAdapter({
    // no shorter than what Node takes for a request line: what an id may be is the relay's to say
    routerOptions: { maxParamLength: 16_384 },
    // a path that cannot be decoded is refused before Nest sees it
    frameworkErrors(error: unknown, _request: unknown, reply: FastifyReply) {
      const { status, headers, body } = problem(error);
      void reply.status(status).headers(headers).send(body);
    },
  });
  const fastify = adapter.getInstance();
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(null));
  return adapter;
}
