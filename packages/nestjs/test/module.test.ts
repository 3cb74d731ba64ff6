import 'reflect-metadata';
import { Inject, Injectable, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  HoldfastModule,
  Service,
  type HoldfastModuleOptions,
  type HoldfastOptionsFactory,
} from '@holdfast/nestjs';
import { describe, expect, it } from 'vitest';

@Injectable()
class NamedFrom implements HoldfastOptionsFactory {
  createHoldfastOptions(): Promise<HoldfastModuleOptions> {
    return Promise.resolve({ name: 'from a class' });
  }
}

@Module({ providers: [NamedFrom], exports: [NamedFrom] })
class ConfigModule {}

class Feature {
  constructor(@Inject(Service) readonly service: Service) {}
}

@Module({ providers: [Feature], exports: [Feature] })
class FeatureModule {}

async function compile(
  ...imports: NonNullable<Parameters<typeof Test.createTestingModule>[0]['imports']>
): Promise<TestingModule> {
  return Test.createTestingModule({ imports }).compile();
}

async function nameOf(holdfast: Parameters<typeof compile>[0]): Promise<string> {
  const moduleRef = await compile(holdfast);
  return moduleRef.get(Service).name;
}

describe('HoldfastModule', () => {
  it('makes the service from options', async () => {
    expect(await nameOf(HoldfastModule.forRoot({ name: 'given' }))).toBe('given');
  });

  it('makes it from what a factory, a class or a provider of another module returns', async () => {
    expect(
      await nameOf(HoldfastModule.forRootAsync({ useFactory: () => ({ name: 'from a factory' }) })),
    ).toBe('from a factory');
    expect(await nameOf(HoldfastModule.forRootAsync({ useClass: NamedFrom }))).toBe('from a class');
    const imports = [ConfigModule];
    expect(await nameOf(HoldfastModule.forRootAsync({ imports, useExisting: NamedFrom }))).toBe(
      'from a class',
    );
  });

  it('is global unless told otherwise', async () => {
    const moduleRef = await compile(HoldfastModule.forRoot({ name: 'app' }), FeatureModule);
    expect(moduleRef.get(Feature, { strict: false }).service).toBe(moduleRef.get(Service));
    await expect(
      compile(HoldfastModule.forRoot({ name: 'app', isGlobal: false }), FeatureModule),
    ).rejects.toThrow(/Service/);
  });

  it('starts the service with the application', async () => {
    const moduleRef = await compile(HoldfastModule.forRoot({ name: 'app' }));
    expect(moduleRef.get(Service).state).toBe('created');
    await moduleRef.init();
    expect(moduleRef.get(Service).state).toBe('running');
    await moduleRef.close();
  });

  it('does not start where a component cannot be opened', async () => {
    const moduleRef = await compile(HoldfastModule.forRoot({ name: 'app' }));
    moduleRef.get(Service).own({ name: 'database', open: () => Promise.reject(new Error('no route')) });
    await expect(moduleRef.init()).rejects.toThrow('no route');
  });

  it('refuses bad options', async () => {
    await expect(compile(HoldfastModule.forRoot({ name: '' }))).rejects.toThrow(RangeError);
    await expect(compile(HoldfastModule.forRoot({ name: 'app', timeoutMs: -1 }))).rejects.toThrow(RangeError);
    const misspelled = { name: 'app', problemDetail: true } as HoldfastModuleOptions;
    await expect(compile(HoldfastModule.forRoot(misspelled))).rejects.toThrow(/problemDetail/);
  });
});
