import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { describe, expect, it } from "vitest";

const door = join(import.meta.dirname, "../../src/resilience/index.ts");

/** What a bundler leaves of the resilience layer for one who imports these names alone. */
async function bundled(
  names: readonly string[],
  format: "es" | "iife" = "es",
): Promise<{ code: string; gzipBytes: number }> {
  const build = await rolldown({
    input: "entry",
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === "entry" ? id : null),
        load: (id) => (id === "entry" ? `export { ${names.join(", ")} } from ${JSON.stringify(door)};` : null),
      },
    ],
    treeshake: { moduleSideEffects: false },
    platform: "neutral",
    external: /^node:/,
  });
  const { output } = await build.generate({ minify: true, format, name: "holdfast" });
  const { code } = output[0];
  return { code, gzipBytes: gzipSync(code, { level: 9 }).length };
}

describe("a bundle", () => {
  it("of the breaker alone has less than 6 KB through gzip, and no Node module", async () => {
    const { code, gzipBytes } = await bundled(["circuitBreaker"]);
    expect(gzipBytes).toBeLessThan(6 * 1_024);
    expect(gzipBytes).toBeGreaterThan(1_024);
    expect(code).not.toMatch(/from\s*["']node:/);
    expect(code).toContain("BREAKER_OPEN");
  });

  it("of the breaker and the policies works in a realm that has nothing of Node", async () => {
    const names = [
      "circuitBreaker",
      "pipe",
      "retry",
      "timeout",
      "bulkhead",
      "rateLimit",
      "hedge",
      "fallback",
      "constant",
    ];
    const { code } = await bundled(names, "iife");
    // What a page has as well, and a bare realm of the language has not.
    const web = { performance, setTimeout, clearTimeout, AbortController, DOMException };
    const program = `${code};
      const { circuitBreaker, pipe, retry, timeout, bulkhead, rateLimit, hedge, fallback, constant } = holdfast;
      const breaker = circuitBreaker({ name: "page", opensOn: { consecutiveFailures: 2 } });
      breaker.onStateChange(() => { throw new Error("a listener's own") });
      const guarded = pipe(fallback("alternative"), retry({ maximumAttempts: 2, backoff: constant(1) }),
        rateLimit({ permits: 9, perMs: 1 }), bulkhead({ concurrency: 1 }), breaker, hedge({ delayMs: 5 }),
        timeout({ timeoutMs: 1_000 }));
      (async () => {
        const first = await guarded.run(async () => "fresh");
        const second = await guarded.run(async () => { throw new Error("down") });
        return [typeof process, first, second, breaker.state].join();
      })()`;
    expect(await runInNewContext(program, web)).toBe("undefined,fresh,alternative,open");
  });

  it.each(["breaker", "compose"])("of all of %s, with nothing left out, has no Node module", async (part) => {
    const entry = join(import.meta.dirname, `../../src/resilience/${part}/index.ts`);
    const build = await rolldown({ input: entry, treeshake: false, platform: "neutral", external: /^node:/ });
    const { output } = await build.generate();
    expect(output[0].imports).toEqual([]);
    expect(output[0].exports.length).toBeGreaterThan(5);
  });
});
