/** opossum: what opens, closes and ends its breaker. */
import { type PeerCase, verdict } from "./case.ts";
import { dayMs, fakeTime, hourMs, secondMs, settle } from "./fake-time.ts";
import { type OpossumBreaker, type OpossumOptions, opossum } from "./packages.ts";
import { answer, each, fail, hang, watch } from "./watch.ts";

type Service = () => unknown;
const resetMs = 30 * secondMs;

export const opossumStateCases: readonly PeerCase[] = [
  {
    id: "opossum-last-timer-at",
    item: 12,
    library: "opossum",
    claim: "A saved state tells when the breaker was made, not when it opened, so a restart lets calls through at once",
    source: "_startTimer sets LAST_TIMER_AT outside the listener that it returns (lib/circuit.js)",
    async reproduce() {
      const time = fakeTime();
      const restoredAfter = async (ageMs: number): Promise<string> => {
        const breaker = breakerOf({ timeout: false });
        const made = Date.now();
        await time.pass(ageMs);
        await each(1, () => breaker.fire(fail));
        const { state } = breaker.toJSON();
        const restored = breakerOf({ timeout: false, state: { ...state, lastTimerAt: state.lastTimerAt } });
        return `opened ${ageMs / 1_000} s after it was made, saved ${(state.lastTimerAt - made) / 1_000} s, restored ${stateOf(restored)}`;
      };
      const young = await restoredAfter(0);
      const old = await restoredAfter(hourMs);
      return verdict(young.endsWith("open"), old.endsWith("half-open"), `${old}; ${young}`);
    },
  },
  {
    id: "opossum-late-success",
    item: 13,
    library: "opossum",
    claim: "A call from before the opening that succeeds late closes a half-open breaker with no probe sent",
    source: "every 'success' closes a half-open breaker, whenever its call began (lib/circuit.js)",
    async reproduce() {
      const time = fakeTime();
      const afterReset = async (late: boolean): Promise<string> => {
        const breaker = breakerOf({ timeout: false });
        const slow = Promise.withResolvers<string>();
        void breaker.fire(() => slow.promise);
        await each(2, () => breaker.fire(fail));
        await time.pass(resetMs);
        const before = stateOf(breaker);
        if (late) slow.resolve("late");
        await settle();
        return `${before}, then ${stateOf(breaker)}`;
      };
      const without = await afterReset(false);
      const withLate = await afterReset(true);
      return verdict(
        without === "half-open, then half-open",
        withLate === "half-open, then closed",
        `late success: ${withLate}; none: ${without}`,
      );
    },
  },
  {
    id: "opossum-hung-probe",
    item: 14,
    library: "opossum",
    claim: "Without a timeout one hung probe leaves the breaker half-open and refusing for ever",
    source: "opossum#57, opossum#119; the one permit of half-open comes back only with the probe's end",
    async reproduce() {
      const time = fakeTime();
      const dayLater = async (timeout: number | false): Promise<string> => {
        const breaker = breakerOf({ timeout });
        await each(1, () => breaker.fire(fail));
        await time.pass(resetMs);
        watch(breaker.fire(hang));
        await time.pass(secondMs);
        await time.pass(dayMs);
        const state = stateOf(breaker);
        const call = watch(breaker.fire(answer));
        await settle();
        return `${state}, a good call ${call.state} (${call.value})`;
      };
      const bounded = await dayLater(secondMs);
      const unbounded = await dayLater(false);
      return verdict(
        bounded === "half-open, a good call resolved (answer)",
        unbounded === "half-open, a good call rejected (Breaker is open)",
        `a day after a hung probe: ${unbounded}; with a timeout of 1 s: ${bounded}`,
      );
    },
  },
  {
    id: "opossum-health-check-shutdown",
    item: 15,
    library: "opossum",
    claim:
      "The interval of healthCheck() outlives shutdown(), and its failure turns the shut-down breaker into an open one",
    source: "healthCheck() keeps its timer to itself (lib/circuit.js)",
    async reproduce() {
      const time = fakeTime();
      const afterShutdown = async (checked: boolean): Promise<string> => {
        const breaker = breakerOf({ timeout: false });
        let checks = 0;
        let healthy = true;
        const check = (): Promise<unknown> => {
          checks++;
          return healthy ? answer() : fail();
        };
        if (checked) breaker.healthCheck(check, secondMs);
        await settle();
        breaker.shutdown();
        const before = checks;
        healthy = false;
        for (let second = 0; second < 10; second++) await time.pass(secondMs);
        const call = watch(breaker.fire(answer));
        await settle();
        const state = breaker.isShutdown ? "shut down" : stateOf(breaker);
        return `${checks - before} checks after shutdown(), ${state}, a call ${call.state} (${call.value})`;
      };
      const without = await afterShutdown(false);
      const withCheck = await afterShutdown(true);
      return verdict(
        without.includes("shut down, a call rejected"),
        withCheck.startsWith("10 checks after shutdown(), open"),
        `10 s later: ${withCheck}; without a check: ${without}`,
      );
    },
  },
  {
    id: "opossum-rate-in-flight",
    item: 17,
    library: "opossum",
    claim: "Calls under way count as calls that did not fail: ten hung ones put an opening at 50 % off",
    source: "fail() divides failures by fires (lib/circuit.js)",
    async reproduce() {
      const failuresToOpen = async (hung: number): Promise<number> => {
        const breaker = breakerOf({ timeout: false, errorThresholdPercentage: 50 });
        for (let call = 0; call < hung; call++) void breaker.fire(hang);
        for (let failures = 0; failures <= 100; failures++) {
          if (breaker.opened) return failures;
          await each(1, () => breaker.fire(fail));
        }
        return Number.POSITIVE_INFINITY;
      };
      fakeTime();
      const idle = await failuresToOpen(0);
      const busy = await failuresToOpen(10);
      return verdict(
        idle === 1,
        busy === 11,
        `beside 10 hung calls it takes ${busy} failures out of ${busy} answers; beside none ${idle}`,
      );
    },
  },
];

function breakerOf(options: OpossumOptions): OpossumBreaker<readonly [Service]> {
  const CircuitBreaker = opossum();
  return new CircuitBreaker((service: Service) => service(), { resetTimeout: resetMs, ...options });
}

function stateOf(breaker: OpossumBreaker<readonly [Service]>): string {
  if (breaker.halfOpen) return "half-open";
  return breaker.opened ? "open" : "closed";
}
