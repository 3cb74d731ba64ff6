import 'reflect-metadata';
import { CurrentScope, HoldfastModule, listen, type RequestScope } from '@holdfast/nestjs';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

@Controller()
class HelloController {
  @Get() hello(@CurrentScope() scope: RequestScope) {
    scope.background(() => console.log('said hello'), { after: 'response' });
    return { hello: 'world' };
  }
}

@Module({
  imports: [HoldfastModule.forRoot({ name: 'hello', problemDetails: true, healthRoutes: true })],
  controllers: [HelloController],
})
class AppModule {}

const app = await NestFactory.create(AppModule);
await listen(app, { port: 3000 });
