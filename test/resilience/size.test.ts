import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { describe, expect, it } from "vitest";

const door = join(import.meta.dirname, "../../src/resilience/index.ts");

/** What a bundler leaves of the resilience layer for one who imports these names alone. */
async function bundled(names: readonly string[]): Promise<{ code: string; gzipBytes: number }> {
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
  const { output } = await build.generate({ minify: true });
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
});
