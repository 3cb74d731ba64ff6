/** The relay as a Nest module. Its service is the one of HoldfastModule, so that Nest's life and the relay's are the same. */
import { HoldfastModule, Service } from '@holdfast/nestjs';
import { Relay, serviceOptions, type RelayConfig } from '@holdfast-app/relay';
import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import { AnswerInterceptor, RefusalFilter } from './answers.ts';
import { RelayController } from './relay.controller.ts';

@Module({})
export class RelayModule {
  /** The module for one configuration. */
  static forRoot(config: RelayConfig): DynamicModule {
    return {
      module: RelayModule,
      imports: [
        HoldfastModule.forRoot({
          ...serviceOptions(config),
          timeoutMs: config.requestTimeoutMs,
          problemDetails: true,
          healthRoutes: true,
        }),
      ],
      controllers: [RelayController],
      providers: [
        { provide: Relay, inject: [Service], useFactory: (service: Service) => new Relay(config, service) },
        { provide: APP_INTERCEPTOR, useClass: AnswerInterceptor },
        { provide: APP_FILTER, useClass: RefusalFilter },
      ],
    };
  }
}
