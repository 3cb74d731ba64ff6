import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkAcyclic, needsOf, runInReverse, type Dependent } from '../../src/service/dependencies.ts';

const node = (name: string, ...dependsOn: string[]): Dependent => ({ name, dependsOn });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Any number of steps that need only earlier ones: free of circles by the way it is made. */
const graphs = fc
  .array(fc.array(fc.nat(), { maxLength: 3 }), { maxLength: 12 })
  .map((needs) =>
    needs.map((some, index) =>
      node(`n${index}`, ...(index === 0 ? [] : some.map((one) => `n${one % index}`))),
    ),
  );

describe('dependencies', () => {
  it('refuse a circle at registration, and name it', () => {
    const others = [node('a', 'b'), node('b', 'c')];
    expect(() => checkAcyclic(node('c', 'a'), others)).toThrow(
      'dependsOn must be free of circles, got "c > a > b > c"',
    );
    expect(() => checkAcyclic(node('self', 'self'), [])).toThrow('self > self');
    checkAcyclic(node('c', 'd'), others);
  });

  it('find circles that lead through several entries of one name', () => {
    expect(() => checkAcyclic(node('b', 'a'), [node('a'), node('a', 'b')])).toThrow(RangeError);
  });

  it('run in reverse, independent ones at the same time, the later registered first', async () => {
    const log: string[] = [];
    const steps = [node('a'), node('b', 'a'), node('c'), node('d', 'b')];
    await runInReverse(steps, steps, async ({ name }) => {
      log.push(`${name}+`);
      await turn();
      log.push(`${name}-`);
    });
    expect(log).toEqual(['d+', 'c+', 'd-', 'b+', 'c-', 'b-', 'a+', 'a-']);
  });

  it('hold through entries that are not among the steps', async () => {
    const log: string[] = [];
    const all = [node('pool'), node('bridge', 'pool'), node('server', 'bridge')];
    const steps = all.filter(({ name }) => name !== 'bridge');
    await runInReverse(steps, all, async ({ name }) => {
      await turn();
      log.push(name);
    });
    expect(log).toEqual(['server', 'pool']);
  });

  it('never run what is needed before what needs it is done, and each once, whatever the graph and the durations', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, fc.infiniteStream(fc.nat(3)), async (all, turns) => {
        const done: string[] = [];
        const started: string[] = [];
        await runInReverse(all, all, async (step) => {
          started.push(step.name);
          for (const other of all)
            if (needsOf(other, all).has(step.name))
              expect(done, `${step.name} after ${other.name}`).toContain(other.name);
          for (let left = Number(turns.next().value); left > 0; left -= 1) await turn();
          done.push(step.name);
        });
        expect(started.toSorted()).toEqual(all.map(({ name }) => name).toSorted());
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
