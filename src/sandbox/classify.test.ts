import { describe, expect, it } from "vitest";
import { type Death, verdictOfDeath } from "./classify.ts";
import { LogTail } from "./log-tail.ts";

const death: Death = {
  pid: 42,
  intent: undefined,
  signal: undefined,
  exitCode: undefined,
  lastWords: undefined,
  logTail: [],
  phase: undefined,
  wasReady: true,
};
const deadline = { kind: "deadline", message: "late" } as const;

describe("the verdict on a death", () => {
  it.each([
    ["X1: a kill we meant is what we meant it for", { intent: deadline, signal: "SIGKILL" }, "deadline"],
    ["X1: a kill we did not mean came from outside", { signal: "SIGKILL" }, "signal"],
    ["X1: a crash just before our kill is a crash", { intent: deadline, signal: "SIGSEGV" }, "signal"],
    ["X1: an exit just before our kill is an exit", { intent: deadline, exitCode: 7 }, "exit"],
    ["X1: a process that will not die has the verdict it was killed for", { intent: deadline }, "deadline"],
    ["X1: last words of a full heap", { signal: "SIGABRT", lastWords: "heap" }, "heap-limit"],
    ["X1: last words of refused memory", { signal: "SIGABRT", lastWords: "data" }, "data-limit"],
    ["X1: SIGABRT without last words", { signal: "SIGABRT" }, "signal"],
    ["X1: the words without the death prove nothing", { exitCode: 1, lastWords: "heap" }, "exit"],
    ["X5: the kernel's limit on processor time", { signal: "SIGXCPU" }, "cpu-limit"],
    ["X1: code 0 without a reply is a lie", { exitCode: 0 }, "protocol"],
    ["X1: death before ready", { signal: "SIGSEGV", wasReady: false }, "bootstrap"],
    ["X1: cancelled before ready", { intent: { kind: "cancelled", message: "" }, wasReady: false }, "cancelled"],
  ] as const)("%s", (_, facts, kind) => {
    expect(verdictOfDeath({ ...death, ...facts }).kind).toBe(kind);
  });
});

describe("the log tail", () => {
  it("keeps the last 50 lines and bounds each, however they arrive", () => {
    const log = new LogTail();
    for (let line = 0; line < 1_000; line++) log.push(`line ${line}\nopen`);
    expect(log.lines()).toHaveLength(50);
    expect(log.lines().at(-1)).toBe("open");
    log.push("y".repeat(1e6));
    expect(log.lines().at(-1)).toHaveLength(2_000);
  });

  it("hears the last words even when many lines follow", () => {
    const log = new LogTail();
    log.push("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n");
    for (let line = 0; line < 100; line++) log.push("frame\n");
    expect(log.lastWords).toBe("heap");
  });
});
