/**
 * What people give by mistake, through the real command line: each ends soon, in an error with a code that says what,
 * where and what to do, and leaves nothing where the result would have been.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { floats, type ModelParts, modelBytes, node, smallNetwork, value } from "../support/onnx-model.ts";
import { exampleModel, holdfast, newFolder, type Run, removeFolder } from "./command-line.ts";

const limitMs = 30_000;
const folder = newFolder();
const state = join(folder, "state");
const out = join(folder, "out");
afterAll(() => removeFolder(folder));

interface Told {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** The two kinds of run have a state folder each, and so need not wait for each other. */
function compile(path: string, ...more: readonly string[]): Promise<Run> {
  const own = more.includes("--json") ? `${state}-json` : state;
  return holdfast(["compile", path, "--state", own, "--cells", "1", ...more], { folder });
}

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Runs it for people and for programs, holds both to the rules, and gives back what programs are told. */
async function refused(path: string, flags: readonly string[] = ["--out", out], exitCode = 1): Promise<Told> {
  const [plain, json] = await Promise.all([compile(path, ...flags), compile(path, ...flags, "--json")]);
  for (const run of [plain, json]) {
    expect(run).toMatchObject({ exitCode, signal: null });
    expect(run.elapsedMs).toBeLessThan(limitMs);
  }
  const { error } = JSON.parse(json.stdout) as { readonly error: Told };
  expect(json.stderr).toBe("");
  expect(plain.stdout).toBe("");
  const lines = plain.stderr.trimEnd().split("\n");
  expect(lines[0]).toBe(`error[${error.code}]: ${error.message}`);
  expect(lines.at(-1)).toMatch(/^ {2}fix \S/);
  expect(plain.stderr).not.toMatch(/\n\s+at |BASE_UNEXPECTED/);
  expect(error.hint).not.toBe("");
  expect(existsSync(out)).toBe(false);
  return error;
}

/** One node that reads x and makes y, with what a mistake needs beside it. */
const graph = (parts: Partial<ModelParts>): Uint8Array =>
  modelBytes({
    input: [value("x", [4])],
    output: [value("y", [4])],
    node: [node("Relu", ["x"], ["y"])],
    ...parts,
  });

const huge = 2 ** 20;

interface Mistake {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly code: string;
  /** What the message must name, beside the file. */
  readonly names: readonly string[];
  readonly hint: RegExp;
}

const mistakes: readonly Mistake[] = [
  { what: "an empty file", bytes: new Uint8Array(0), code: "ONNX_EMPTY", names: ["empty"], hint: /\.onnx/ },
  {
    what: "a JPEG",
    bytes: Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 72, 0, 72, 0, 0),
    code: "ONNX_NOT_A_MODEL",
    names: ["JPEG"],
    hint: /\.onnx/,
  },
  {
    what: "an unknown operator",
    bytes: graph({ node: [node("Reluu", ["x"], ["y"])] }),
    code: "ONNX_UNKNOWN_OPERATOR",
    names: ["Reluu", '"Reluu:y"'],
    hint: /did the exporter mean Relu\?.*onnx-support/,
  },
  {
    what: "no opset",
    bytes: graph({ opset: 0 }),
    code: "ONNX_UNSUPPORTED_OPSET",
    names: ["opset"],
    hint: /opset from 1 to \d+/,
  },
  {
    what: "an opset of the future",
    bytes: graph({ opset: 99 }),
    code: "ONNX_UNSUPPORTED_OPSET",
    names: ["99"],
    hint: /opset from 1 to \d+/,
  },
  {
    what: "a cycle",
    bytes: graph({
      node: [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])],
    }),
    code: "ONNX_CYCLE",
    names: ['"Add:a" -> "Relu:b" -> "Add:a"'],
    hint: /export it again/,
  },
  {
    what: "an input that nothing makes",
    bytes: graph({ node: [node("Add", ["x", "ghost"], ["y"])] }),
    code: "ONNX_DANGLING",
    names: ['"Add:y"', '"ghost"'],
    hint: /export it again/,
  },
  {
    what: "shapes that do not fit each other",
    bytes: graph({ input: [value("x", [4]), value("z", [3])], node: [node("Add", ["x", "z"], ["y"])] }),
    code: "TENSOR_SHAPE_MISMATCH",
    names: ['"Add:y"', "[4]", "[3]"],
    hint: /shapes/,
  },
  {
    what: "an output that is not of the shape declared",
    bytes: graph({ output: [value("y", [5])] }),
    code: "ONNX_SHAPE_DISAGREES",
    names: ['"y"', "[5]", "[4]"],
    hint: /shape/,
  },
  {
    what: "an input of 2^40 elements",
    bytes: graph({ input: [value("x", [huge, huge])], output: [value("y", [huge, huge])] }),
    code: "TENSOR_TOO_LARGE",
    names: ['"x"', String(2 ** 40)],
    hint: /reduce the shape/,
  },
  {
    what: "weights of 2^40 elements without data",
    bytes: graph({
      initializer: [{ name: "w", dataType: 1, dims: [2n ** 40n] }],
      node: [node("Add", ["x", "w"], ["y"])],
    }),
    code: "TENSOR_TOO_LARGE",
    names: ['"w"', String(2 ** 40)],
    hint: /reduce the shape/,
  },
  {
    what: "a result of 2^40 elements",
    bytes: graph({
      input: [value("x", [huge, 1]), value("z", [1, huge])],
      output: [value("y", [huge, huge])],
      node: [node("Add", ["x", "z"], ["y"])],
    }),
    code: "TENSOR_TOO_LARGE",
    names: ['"Add:y"', `${huge},${huge}`],
    hint: /reduce the shape/,
  },
  {
    what: "weights in a file outside of the model's folder",
    bytes: graph({
      initializer: [
        {
          name: "w",
          dataType: 1,
          dims: [4n],
          dataLocation: 1,
          externalData: [{ key: "location", value: "../../etc/passwd" }],
        },
      ],
      node: [node("Add", ["x", "w"], ["y"])],
    }),
    code: "ONNX_EXTERNAL_PATH",
    names: ['"w"', "../../etc/passwd"],
    hint: /beside or below the model/,
  },
];

describe("the command line refuses", () => {
  it.each(mistakes)("$what", async ({ bytes, code, names, hint }) => {
    const path = write("mistake.onnx", bytes);
    const error = await refused(path);
    expect(error.code).toBe(code);
    expect(error.hint).toMatch(hint);
    for (const name of [path, ...names]) expect(error.message).toContain(name);
  });

  it("a model that is cut off, wherever", async () => {
    const whole = readFileSync(exampleModel);
    const cuts = [1, 2, 100, whole.length >> 2, whole.length >> 1, whole.length - 100, whole.length - 1];
    for (const length of cuts) {
      const error = await refused(write("cut.onnx", whole.subarray(0, length)));
      // Two bytes are a whole message, which holds no more than the version of its form.
      expect(error.code).toBe(length === 2 ? "ONNX_NO_GRAPH" : "ONNX_MALFORMED");
      expect(error.hint).toContain("copied whole");
    }
  });

  it("a file that is not there, with the code for that", async () => {
    const error = await refused(join(folder, "nowhere.onnx"), ["--out", out], 4);
    expect(error.code).toBe("DISK_NOT_FOUND");
    expect(error.message).toContain("nowhere.onnx");
  });

  it("a folder in place of a model", async () => {
    const path = join(folder, "models");
    mkdirSync(path);
    const error = await refused(path);
    expect(error.code).toBe("DISK_NOT_A_FILE");
    expect(error.message).toContain(path);
  });

  it("a shape that is none, rather than take it for 0", async () => {
    for (const shape of ["image=", "image=1x-1", "1x2"]) {
      const error = await refused(exampleModel, ["--out", out, "--shape", shape], 2);
      expect(error.code).toBe("CLI_USAGE");
      expect(error.message).toContain(shape);
    }
  });
});

describe("a place where no result can go", () => {
  it.each(["taken", "taken/below/it"])("is refused before anything is compiled: %s", async (name) => {
    const file = write("taken", Uint8Array.of(1, 2, 3));
    const place = join(folder, name);
    const before = await holdfast(["jobs", "--json", "--state", state]);
    const error = await refused(exampleModel, ["--out", place], 2);
    expect(error.code).toBe("CLI_BAD_OUT");
    for (const part of [place, "--out"]) expect(error.message).toContain(part);
    expect([...readFileSync(file)]).toEqual([1, 2, 3]);
    expect((await holdfast(["jobs", "--json", "--state", state])).stdout).toBe(before.stdout);
  });

  it("is refused where it has no name", async () => {
    expect((await refused(exampleModel, ["--out", ""], 2)).code).toBe("CLI_USAGE");
  });

  // Nothing is denied to root.
  it.skipIf(process.getuid?.() === 0)("is refused where it may not be written", async () => {
    const closed = join(folder, "closed");
    mkdirSync(closed, { mode: 0o555 });
    const error = await refused(exampleModel, ["--out", join(closed, "out")]);
    expect(error.code).toBe("DISK_DENIED");
    expect(error.message).toContain(closed);
  });
});

describe("a shape left open", () => {
  /** The words of a command line, as a shell takes the quotes off. */
  const words = (text: string): string[] =>
    [...text.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);

  const named = modelBytes({
    input: [value("a b$c", ["batch", 4]), value("other", ["batch", 1])],
    output: [value("y", ["batch", 4])],
    initializer: [floats("w", [4], [1, 2, 3, 4])],
    node: [node("Mul", ["a b$c", "w"], ["scaled"]), node("Add", ["scaled", "other"], ["y"])],
  });

  it.each([
    { what: "of one input", bytes: smallNetwork(), flags: ["--shape image=1x2x6x6"] },
    {
      what: "of two with a name a shell would split",
      bytes: named,
      flags: ["--shape 'a b$c=1x4'", "--shape other=1x1"],
    },
  ])("$what is refused with the very flags that help", async ({ bytes, flags }) => {
    const path = write("open.onnx", bytes);
    const error = await refused(path, ["--out", out], 2);
    expect(error.code).toBe("ONNX_DYNAMIC_SHAPE");
    for (const flag of flags) expect(error.hint).toContain(flag);
    const flagged = words(error.hint.slice(error.hint.indexOf("--shape")));
    const place = newFolder();
    try {
      const helped = await compile(path, "--out", place, ...flagged);
      expect(helped).toMatchObject({ exitCode: 0 });
      expect(existsSync(join(place, "open.wasm"))).toBe(true);
    } finally {
      removeFolder(place);
    }
  });
});
