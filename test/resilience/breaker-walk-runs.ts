/**
 * As `walk`, through `run`: promises that settle in any order, callers that abort, operations that throw before they
 * return. Every call must come to what its operation came to, or to the caller's reason where that was first, whatever
 * the breaker made of it.
 */
import { isDeepStrictEqual } from "node:util";
import { HoldfastError, seededRandom, VirtualClock } from "../../src/base/index.ts";
import { circuitBreaker } from "../../src/resilience/index.ts";
import { ReferenceBreaker, type Ticket } from "./breaker-reference.ts";
import { describe, optionsOf, realOptions, viewOf } from "./breaker-walk.ts";

interface Running {
  readonly ticket: Ticket;
  readonly controller: AbortController | undefined;
  readonly end: (outcome: "success" | "failure") => void;
}

export async function walkRuns(seed: number, steps: number): Promise<string | undefined> {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const options = optionsOf(below);
  const clock = new VirtualClock();
  const breaker = circuitBreaker({ ...realOptions(options), clock, random: seededRandom(seed + 1) });
  const reference = new ReferenceBreaker(options, clock, seed + 1);
  const running: Running[] = [];
  const trace: string[] = [];
  let wrong: string | undefined;

  const begin = (): void => {
    const ticket = reference.enter();
    const controller = random() < 0.5 ? new AbortController() : undefined;
    const error = new Error("its own");
    let end: Running["end"] = () => {};
    let called = false;
    const atOnce = random() < 0.2;
    const operation = (): Promise<string> => {
      called = true;
      if (atOnce) throw error;
      return new Promise((resolve, reject) => {
        end = (outcome) => (outcome === "success" ? resolve("its own") : reject(error));
      });
    };
    const call = breaker.run(operation, controller === undefined ? undefined : { signal: controller.signal });
    trace.push(`run ${called ? "in" : "refused"}${controller === undefined ? "" : " with a signal"}`);
    if (called !== (typeof ticket !== "string")) wrong = `called ${called}, reference ${JSON.stringify(ticket)}`;
    const isOurs = (value: unknown): boolean => HoldfastError.is(value) && value.code.startsWith("BREAKER_");
    const aborted = (): boolean => controller?.signal.aborted === true;
    call.then(
      (value) => (value === "its own" && !aborted()) || (wrong = "a result was changed"),
      (value: unknown) => {
        const wanted = aborted() ? value === controller!.signal.reason : called ? value === error : isOurs(value);
        if (!wanted) wrong = "an error was changed";
      },
    );
    if (typeof ticket === "string") return;
    if (atOnce) reference.leave(ticket, "failure");
    else running.push({ ticket, controller, end });
  };

  for (let step = 0; step < steps && wrong === undefined; step++) {
    const choice = below(10);
    if (choice < 5) begin();
    else if (choice < 8 && running.length > 0) {
      const [{ ticket, controller, end }] = running.splice(below(running.length), 1) as [Running];
      const outcome = random() < 0.5 ? "success" : "failure";
      const aborted = controller !== undefined && random() < 0.5;
      trace.push(`${outcome}${aborted ? ", aborted" : ""}`);
      if (aborted) controller.abort(new Error("the caller left"));
      end(outcome);
      reference.leave(ticket, aborted && outcome === "failure" ? "neutral" : outcome);
    } else {
      const byMs = random() < 0.3 ? below(options.openMs * 3) : below(60);
      trace.push(`+${byMs}`);
      clock.advanceSync(byMs);
    }
    for (let turn = 0; turn < 6; turn++) await undefined;
    const [seen, wanted] = [viewOf(breaker, options), reference.view()];
    if (wrong === undefined && !isDeepStrictEqual(seen, wanted)) return describe(trace, seen, wanted);
  }
  return wrong === undefined ? undefined : `${wrong} after ${trace.join(", ")}`;
}
