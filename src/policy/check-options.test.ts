import { describe, expect, it } from "vitest";
import { compilePolicy, type PolicyOptions } from "./index.ts";

describe("the options of a rule", () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [{ name: ["load"] }, "options have no name"],
    [{ limits: { depht: 5 } }, "limits have no depht"],
    [{ types: { load: "int" } }, 'types.load is int, which is not "number", "string" or "boolean"'],
    [{ types: [] }, "types is , which is not an object"],
    [{ result: "bool" }, "result is bool"],
    [{ names: "load" }, "names is load, which is not a list of texts"],
    [{ names: [5] }, "names is 5"],
    [null, "options is null, which is not an object"],
  ];
  it.each(wrong)("are refused where they are none: %j", (options, message) => {
    expect(() => compilePolicy("load > 1", options as PolicyOptions)).toThrow(
      expect.objectContaining({ code: "POLICY_OPTION", message: expect.stringContaining(message) }),
    );
  });

  it("may be undefined, and types may have names that a prototype has", () => {
    const options = { limits: undefined, names: undefined, types: undefined, result: undefined };
    expect(compilePolicy("load > 1", options).test({ load: 2 })).toBe(true);
    const odd = JSON.parse('{ "__proto__": "number", "constructor": "number" }') as Record<string, "number">;
    const rule = compilePolicy("__proto__ > constructor", { types: odd });
    expect(rule.test(JSON.parse('{ "__proto__": 2, "constructor": 1 }'))).toBe(true);
  });
});
