/** Holdfast's health checks where a peer's outlive what they check. */
import { healthChecks, healthMonitor } from "../../src/resilience/index.ts";
import type { Answers } from "./case.ts";
import { fakeTime, secondMs } from "./fake-time.ts";
import { breakerOf } from "./holdfast-state.ts";

export const healthAnswers: Answers = {
  async "opossum-health-check-shutdown"() {
    const { clock, pass } = fakeTime();
    const afterTenSeconds = async (stopped: boolean): Promise<string> => {
      const breaker = breakerOf({ openMs: 3_600 * secondMs });
      const checks = healthChecks({ monitor: healthMonitor({ clock }), clock });
      let ran = 0;
      let healthy = true;
      const check = (): boolean => {
        ran++;
        return healthy;
      };
      checks.add({ name: "service", check }, { everyMs: secondMs, alertAfter: 1, trips: true, breaker });
      for (let second = 0; second < 3; second++) await pass(secondMs);
      if (stopped) checks[Symbol.dispose]();
      const before = ran;
      healthy = false;
      for (let second = 0; second < 10; second++) await pass(secondMs);
      return `${ran - before} checks, ${breaker.state}`;
    };
    const [stopped, going] = [await afterTenSeconds(true), await afterTenSeconds(false)];
    return {
      holds: stopped === "0 checks, closed" && going === "10 checks, open",
      observed: `10 s after the checks were disposed of: ${stopped}; not disposed of: ${going}`,
    };
  },
};
