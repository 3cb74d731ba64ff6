/** The relay's routes as a controller; what they do is the domain's. */
import { CurrentScope, type RequestScope } from '@holdfast/nestjs';
import { Relay, requestOf, type Answer, type RelayRequest } from '@holdfast-app/relay';
import { Controller, Get, Inject, Post, createParamDecorator } from '@nestjs/common';

const CurrentRequest = createParamDecorator((_, host) => requestOf(host.switchToHttp().getRequest()));

@Controller()
export class RelayController {
  constructor(@Inject(Relay) private readonly relay: Relay) {}

  @Post('events')
  postEvent(@CurrentRequest() request: RelayRequest, @CurrentScope() scope: RequestScope): Promise<Answer> {
    return this.relay.handlers.postEvent(request, scope);
  }

  @Post('events/batch')
  postBatch(@CurrentRequest() request: RelayRequest, @CurrentScope() scope: RequestScope): Promise<Answer> {
    return this.relay.handlers.postBatch(request, scope);
  }

  @Get('events/:id')
  getEvent(@CurrentRequest() request: RelayRequest, @CurrentScope() scope: RequestScope): Promise<Answer> {
    return this.relay.handlers.getEvent(request, scope);
  }

  @Get('probe')
  getProbe(@CurrentRequest() request: RelayRequest, @CurrentScope() scope: RequestScope): Promise<Answer> {
    return this.relay.handlers.getProbe(request, scope);
  }

  @Post('digests')
  postDigest(@CurrentRequest() request: RelayRequest, @CurrentScope() scope: RequestScope): Promise<Answer> {
    return this.relay.handlers.postDigest(request, scope);
  }

  @Get('stats')
  getStats(@CurrentRequest() request: RelayRequest, @CurrentScope() scope: RequestScope): Promise<Answer> {
    return this.relay.handlers.getStats(request, scope);
  }
}
