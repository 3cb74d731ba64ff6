import { describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { WaitLine, Waiter } from '../../src/signal/wait-line.ts';

class Named extends Waiter {
  readonly told: unknown[] = [];
  constructor(readonly id: number) {
    super();
  }
  giveUp(error: unknown): void {
    this.told.push(error);
  }
  late(): void {
    this.told.push('late');
  }
}

describe('WaitLine', () => {
  it('serves in the order of arrival whoever leaves from the middle', () => {
    const command = fc.oneof(
      fc.constant({ do: 'join' as const }),
      fc.constant({ do: 'shift' as const }),
      fc.record({ do: fc.constant('leave' as const), who: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const line = new WaitLine<Named>();
        const model: Named[] = [];
        const all: { waiter: Named; controller: AbortController }[] = [];
        for (const one of commands) {
          if (one.do === 'join') {
            const controller = new AbortController();
            const waiter = new Named(all.length);
            all.push({ waiter, controller });
            model.push(waiter);
            line.join(waiter, { signal: controller.signal }, Infinity);
          } else if (one.do === 'shift') {
            expect(line.shift()).toBe(model.shift());
          } else {
            const left = all[one.who];
            const place = left === undefined ? -1 : model.indexOf(left.waiter);
            left?.controller.abort('left');
            if (place >= 0) expect(model.splice(place, 1)[0]?.told).toEqual(['left']);
          }
          expect(line.size).toBe(model.length);
          expect(line.first).toBe(model[0]);
        }
        for (const { waiter } of all) expect(waiter.told.length).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('tells one who was taken out of line nothing more', () => {
    const line = new WaitLine<Named>();
    const controller = new AbortController();
    const waiter = new Named(1);
    line.join(waiter, { signal: controller.signal }, Infinity);
    expect(line.shift()).toBe(waiter);
    controller.abort();
    expect(line.remove(waiter)).toBe(false);
    expect(waiter.told).toEqual([]);
  });
});
