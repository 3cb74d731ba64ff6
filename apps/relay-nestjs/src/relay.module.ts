/** The relay as a Nest module. Its service is the one of HoldfastModule, so that Nest's life and the relay's are the same. */
import { HoldfastModule, Service } from '@holdfast/nestjs';
import { Relay, serviceOptions, type RelayConfig } from '@holdfast-app/relay';
import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import { Answers } from './answers.ts';
import { RelayController } from './relay.controller.ts';

@Module({})
export class RelayModule {
  static forRoot(config: RelayConfig): DynamicModule {
    const { requestTimeoutMs: timeoutMs } = config;
    const options = { ...serviceOptions(config), timeoutMs, problemDetails: true, healthRoutes: true };
    return {
      module: RelayModule,
      imports: [HoldfastModule.forRoot(options)],
      controllers: [RelayController],
      providers: [
        { provide: Relay, inject: [Service], useFactory: (service: Service) => new Relay(config, service) },
        { provide: APP_INTERCEPTOR, useClass: Answers },
        { provide: APP_FILTER, useClass: Answers },
      ],
    };
  }
}
