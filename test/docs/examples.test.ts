/** Documentation that runs: each example of a page does what the page says it does. */
import { describe, expect, it } from "vitest";
import { examplesIn, examplesOf, faultOfExample } from "./example-runner.ts";

const pages = [
  "docs/checkpoints.md",
  "docs/degradation.md",
  "docs/policy.md",
  "docs/resilience-migration.md",
  "docs/resilience.md",
  "docs/store.md",
];

describe.each(pages)("%s", (page) => {
  const examples = examplesOf(page);

  it("has examples", () => {
    expect(examples.length).toBeGreaterThan(0);
  });

  it.concurrent.each(examples)("says at line $line what is so", async (example) => {
    expect(await faultOfExample(example)).toBeUndefined();
  });
});

describe("the runner", () => {
  const faultOf = async (...code: readonly string[]): Promise<string | undefined> => {
    const [example] = examplesIn(["# Page", "", "```ts", ...code, "```", ""].join("\n"), "page.md");
    return faultOfExample(example!);
  };

  it("passes what is so", async () => {
    const fault = await faultOf(
      'import { HoldfastError } from "holdfast";',
      'import { compilePolicy } from "holdfast/policy";',
      "const sum: number = 1 + 1; // → 2",
      "({ sum, list: [sum] }); // → { sum: 2, list: [2] }",
      "Promise.resolve(Number.NaN); // → NaN",
      'compilePolicy("1 +"); // → throws POLICY_SYNTAX',
      'const error = new HoldfastError("BASE_X", "x");',
      'error.message; // → "[BASE_X] x"',
    );
    expect(fault).toBeUndefined();
  });

  it.each([
    { what: "another value", code: ["const a = 1;", "a; // → 2"], fault: "page.md:5: Expected values" },
    { what: "a value of another type", code: ["1; // → '1'"], fault: "page.md:4: Expected values" },
    { what: "nothing thrown", code: ["1; // → throws BASE_X"], fault: "page.md:4: throws nothing" },
    { what: "something else thrown", code: ["JSON.parse('{'); // → throws BASE_X"], fault: "throws undefined" },
    { what: "an error", code: ["throw new Error('x');"], fault: "page.md:4: " },
    { what: "what does not parse", code: ["const = 1;"], fault: "page.md:4: " },
    { what: "an arrow never reached", code: ["if (false) {", "  1; // → 1", "}"], fault: "page.md:5: never reached" },
  ])("tells of $what", async ({ code, fault }) => {
    expect(await faultOf(...code)).toContain(fault);
  });

  it("refuses to import what the package does not have", async () => {
    await expect(faultOf('import { x } from "holdfast/nothing";')).rejects.toThrow("holdfast/nothing");
  });

  it("leaves other fences alone", () => {
    expect(examplesIn("```js\n1;\n```\n```ts static\n2;\n```\n```\n3\n```\n", "page.md")).toEqual([]);
  });
});
