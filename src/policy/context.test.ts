/** What a rule can reach: the context's own values, and nothing else, whatever the context is made of. */
import { afterEach, describe, expect, it } from "vitest";
import { compilePolicy, type PolicyContext } from "./index.ts";
import { evaluationFault, faultOf } from "./testing/fault-of.ts";

const inherited = [
  "constructor",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "isPrototypeOf",
  "__proto__",
  "__defineGetter__",
  "__lookupSetter__",
];

function resultOf(text: string, context: unknown): unknown {
  return compilePolicy(text).evaluate(context as PolicyContext);
}

describe("a name", () => {
  afterEach(() => {
    delete (Object.prototype as Record<string, unknown>)["admin"];
  });

  it.each(inherited)("P2: %s never means what every object inherits", (name) => {
    for (const text of [name, `${name} == 1`, `${name} == ${name}`, `a.${name}`, `a.${name} > 0`, `!${name}`]) {
      expect(evaluationFault(text, { a: {} }).code, text).toBe("POLICY_UNKNOWN_NAME");
      expect(evaluationFault(text, new Map([["a", new Map()]])).code, text).toBe("POLICY_UNKNOWN_NAME");
    }
    expect(evaluationFault(`${name}.name`, {}).code).toBe("POLICY_UNKNOWN_NAME");
  });

  it.each(inherited)("%s is a name like any other where the context has it", (name) => {
    const context = Object.defineProperty({}, name, { value: 7, enumerable: true });
    expect(resultOf(`${name} + 1`, context)).toBe(8);
    expect(resultOf(`a.${name} < 8`, { a: context })).toBe(true);
    expect(resultOf(`${name} + 1`, new Map([[name, 7]]))).toBe(8);
  });

  it("P2: is not found on a prototype, polluted or chosen", () => {
    Object.assign(Object.prototype, { admin: true });
    for (const text of ["admin", "!admin", "admin || false", "admin == true", "user.admin", "and(admin, admin)"]) {
      expect(evaluationFault(text, { user: {} }).code, text).toBe("POLICY_UNKNOWN_NAME");
    }
    const heir = Object.assign(Object.create({ limit: 5, a: { b: 1 } }), { own: 1 });
    for (const text of [
      "limit",
      "limit > 1",
      "1 < limit",
      "limit > own",
      "own < limit",
      "limit + 1",
      "a.b",
      "!limit",
    ]) {
      expect(evaluationFault(text, heir).code, text).toBe("POLICY_UNKNOWN_NAME");
    }
    class Statistics {
      failures = 3;
      get rate(): number {
        return 0.5;
      }
    }
    const statistics = new Statistics() as unknown as PolicyContext;
    expect(resultOf("failures", statistics)).toBe(3);
    expect(evaluationFault("rate", statistics).code).toBe("POLICY_UNKNOWN_NAME");
  });

  it("with dots is a key as a whole first, then a walk through objects and maps", () => {
    expect(resultOf("gpu.load", { gpu: { load: 1 }, "gpu.load": 2 })).toBe(2);
    expect(resultOf("gpu.load + 0 < 2", { gpu: { load: 1 } })).toBe(true);
    expect(resultOf("gpu.card.load", { gpu: { "card.load": 1, card: { load: 2 } } })).toBe(2);
    expect(resultOf("gpu.card.load", new Map([["gpu", { card: new Map([["load", 3]]) }]]))).toBe(3);
    expect(resultOf("gpu.load", new Map([["gpu.load", 4]]))).toBe(4);
    expect(resultOf("a.b", Object.assign(Object.create(null), { a: { b: "x" } }))).toBe("x");
  });
});

describe("a value", () => {
  it.each([
    ["null", null],
    ["undefined", undefined],
    ["a bigint", 3n],
    ["a symbol", Symbol("x")],
    ["a function", () => 3],
    ["an array", [3]],
    ["an object", new Number(3)],
    ["an object", { valueOf: () => 3 }],
    ["an object", new Date(0)],
  ])("that is %s is refused and never converted", (what, value) => {
    for (const text of ["x", "x > 1", "x + 1", "!x", "x == x", "x == 'a'"]) {
      const context = { x: value } as unknown as PolicyContext;
      const fault = evaluationFault(text, context);
      expect(evaluationFault(text, new Map(Object.entries(context))).message, text).toBe(fault.message);
      expect(fault.code, text).toBe("POLICY_TYPE");
      expect(fault.rawMessage, text).toContain(`expected a number, a string or a boolean in x, found ${what}\n`);
    }
  });

  it("that cannot be read is told with its name, and what was thrown is the cause", () => {
    const thrown = new Error("sensor gone");
    const broken = {
      ok: 1,
      get load(): number {
        throw thrown;
      },
    };
    for (const text of [
      "load",
      "load > 1",
      "ok < load",
      "load + 1",
      "!load",
      "gpu.load",
      "gpu.load > 1",
      "load == 'x'",
    ]) {
      const fault = evaluationFault(
        text,
        Object.assign(Object.create(null, Object.getOwnPropertyDescriptors(broken)), { gpu: broken }),
      );
      expect(fault.code, text).toBe("POLICY_TYPE");
      expect(fault.rawMessage, text).toMatch(
        /column \d: expected a value that can be read in (gpu\.)?load, found an error/,
      );
      expect(fault.cause, text).toBe(thrown);
    }
  });

  it("that cannot be read twice the same way still ends in an error of ours", () => {
    let calls = 0;
    const fault = evaluationFault("load > 1", {
      get load(): number {
        if (++calls === 1) throw new Error("once");
        return 1;
      },
    });
    expect(fault.code).toBe("POLICY_TYPE");
    expect((fault.cause as Error).message).toBe("once");
  });

  it("behind a proxy is reached as far as the proxy lets it", () => {
    const refusing = new Proxy(
      {},
      {
        getOwnPropertyDescriptor: () => {
          throw new Error("no entry");
        },
      },
    );
    expect(evaluationFault("a > 1", refusing as PolicyContext).code).toBe("POLICY_TYPE");
    expect(resultOf("a > 1", new Proxy({ a: 2 }, {}))).toBe(true);
    const hiding = new Proxy(
      { a: 1 },
      {
        ownKeys: () => {
          throw new Error("no list");
        },
      },
    );
    expect(evaluationFault("b > 1", hiding).code).toBe("POLICY_UNKNOWN_NAME");
  });

  it.each([[null], [undefined], [3], ["text"], [[1, 2]], [() => 3]])(
    "as the whole context: %s is refused",
    (context) => {
      const fault = faultOf(() => resultOf("length > 0", context));
      expect(fault.code).toBe("POLICY_TYPE");
      expect(fault.rawMessage).toContain("expected a context that is an object or a map");
    },
  );

  it("is typed: interfaces will do, and what a rule cannot read is found by the compiler", () => {
    interface Gpu {
      readonly load: number;
    }
    interface Now {
      readonly failures: number;
      readonly state: "open" | "closed";
      readonly gpu: Gpu;
      readonly last?: number;
    }
    const now: Now = { failures: 3, state: "open", gpu: { load: 0.5 } };
    const open: PolicyContext = { failures: 3, gpu: new Map([["load", 0.5]]) };
    const rule = compilePolicy("failures > 2 || gpu.load > 0.9");
    expect(rule.test(now)).toBe(true);
    expect(rule.evaluate(open)).toBe(true);
    const refusals = [
      // @ts-expect-error: null is no value.
      () => rule.test({ failures: null }),
      // @ts-expect-error: neither is a bigint, however deep.
      () => rule.test({ failures: 1, gpu: { load: 1n } }),
      // @ts-expect-error: an array is no group of values.
      () => rule.test([1]),
      // @ts-expect-error: a date is no group of values either.
      () => rule.explain({ failures: new Date(0) }),
    ];
    for (const refusal of refusals) expect(faultOf(refusal).code).toMatch(/^POLICY_(TYPE|UNKNOWN_NAME)$/);
  });

  it("is not changed, and neither is the context", () => {
    const context = Object.freeze({ a: 1, g: Object.freeze({ b: true }) });
    expect(resultOf("a > 0 && g.b", context)).toBe(true);
    const rule = compilePolicy("a");
    expect(() => Object.assign(rule, { text: "b" })).toThrow(TypeError);
    expect(() => (rule.names as string[]).push("b")).toThrow(TypeError);
  });
});

describe("a context that does not fit", () => {
  it.each([
    ["elapsed_tme > 1", "POLICY_UNKNOWN_NAME", "column 1: expected a name of the context, found elapsed_tme"],
    ["1 + gpu.laod", "POLICY_UNKNOWN_NAME", "column 5: expected a name of the context, found gpu.laod"],
    ["state > 80", "POLICY_TYPE", 'column 1: expected a number before ">", found the string "open" in state'],
    ["80 < state", "POLICY_TYPE", 'column 6: expected a number after "<", found the string "open" in state'],
    ["timeout < state", "POLICY_TYPE", 'column 11: expected a number after "<", found the string "open" in state'],
    ["state == timeout", "POLICY_TYPE", 'column 10: expected a string after "==", found the number 5 in timeout'],
    ["on < on", "POLICY_TYPE", 'column 1: expected a number or a string before "<", found the boolean true in on'],
    ["on && timeout", "POLICY_TYPE", 'column 7: expected a boolean after "&&", found the number 5 in timeout'],
    ["!state", "POLICY_TYPE", 'column 2: expected a boolean after "!", found the string "open" in state'],
    ["-on", "POLICY_TYPE", 'column 2: expected a number after "-", found the boolean true in on'],
    ["xor(on, gpu.load)", "POLICY_TYPE", "expected a boolean as argument 2 of xor, found the number 0.5 in gpu.load"],
    ["gpu > 1", "POLICY_TYPE", "column 1: expected a number, a string or a boolean in gpu, found an object"],
    ["timeout.ms > 1", "POLICY_TYPE", "column 1: expected an object in timeout, found the number 5"],
    ["gpu.load.now > 1", "POLICY_TYPE", "column 1: expected an object in gpu.load, found the number 0.5"],
  ])("is refused by %s", (text, code, message) => {
    const fault = evaluationFault(text, { elapsed_time: 3, timeout: 5, state: "open", on: true, gpu: { load: 0.5 } });
    expect(fault.code).toBe(code);
    expect(fault.rawMessage).toContain(message);
  });

  it("is told with the nearest name, or with some that there are", () => {
    const context = { elapsed_time: 3, gpu: { load: 0.5, card: { fan: 2 } }, "disk.free": 9 };
    expect(evaluationFault("elapsed_tme > 1", context).hint).toBe("Did you mean elapsed_time?");
    expect(evaluationFault("gpu.laod > 1", context).hint).toBe("Did you mean gpu.load?");
    expect(evaluationFault("x > 1", context).hint).toBe("There are: elapsed_time, gpu.load, gpu.card.fan, disk.free.");
    expect(evaluationFault("x > 1", {}).hint).toBe("There are no names at all.");
    const many = Object.fromEntries(Array.from({ length: 12 }, (_, place) => [`metric_number_${place}`, place]));
    expect(evaluationFault("x > 1", many).hint).toMatch(
      /^There are: metric_number_0, .*, metric_number_7 and others\.$/,
    );
  });
});
