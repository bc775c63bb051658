/**
 * Prints a unit's program as plain JavaScript: a function of the buffers' typed arrays that runs every kernel.
 *
 * It is the oracle of the code generator and the fallback of a unit that could not be compiled, so it is kept simple:
 * one loop for each loop, one operation for each operation. A node of an expression that is used twice in a statement
 * is computed once. Only numbers reach the text, never a name from a model, so it is safe to run, and it is complete
 * but for `eagerPrelude`. Sums of a `reduce` are kept in double precision and rounded once.
 */
import { assert } from "../../base/index.ts";
import { arrayNameOf } from "../ir/element-type.ts";
import type { Expr, LoadExpr } from "../ir/expression.ts";
import type { BufferDeclaration, Kernel, Stmt, UnitProgram } from "../ir/kernel.ts";
import { contractionText } from "./print-contraction.ts";
import {
  binaryText,
  bitcastText,
  castText,
  compareText,
  constantText,
  loadText,
  storedText,
  unaryText,
  wordsText,
  zeroText,
} from "./print-expression.ts";

/**
 * The text of a function `(b0, b1, …) => void` of every buffer that is not scratch, to be evaluated where
 * `eagerPrelude` is in scope.
 */
export function eagerSource(program: UnitProgram): string {
  const parameters = program.buffers.filter(({ role }) => role !== "scratch").map(({ id }) => `b${id}`);
  const scratch = program.buffers
    .filter(({ role }) => role === "scratch")
    .map(({ id, type, count }) => `const b${id} = new ${arrayNameOf(type)}(${count});\n`);
  const kernels = program.kernels.map((kernel) => new KernelPrinter(program.buffers, kernel).print());
  const types = program.buffers.map(({ type }) => type).join(" ");
  return `(${parameters.join(", ")}) => { // ${types}\n${scratch.join("")}${kernels.join("")}}`;
}

type ForEach = (expression: Expr) => void;

/** A load that is only cast to something narrower is read as words: see wordsText. */
function wordLoad(expression: Expr): LoadExpr | undefined {
  if (expression.op !== "cast" || expression.a.op !== "load") return undefined;
  const from = expression.a.type;
  return (from === "i64" || from === "u64") && wordsText(from, expression.type, 0, "0") ? expression.a : undefined;
}

function forEachOperand(expression: Expr, visit: ForEach): void {
  switch (expression.op) {
    case "const":
    case "var":
      return;
    case "load":
      return visit(expression.offset);
    case "cast":
      return visit(wordLoad(expression)?.offset ?? expression.a);
    case "unary":
    case "bitcast":
      return visit(expression.a);
    case "binary":
    case "compare":
      visit(expression.a);
      return visit(expression.b);
    case "select":
      visit(expression.condition);
      visit(expression.a);
      return visit(expression.b);
  }
}

export class KernelPrinter {
  readonly #declarations: readonly BufferDeclaration[];
  readonly #kernel: Kernel;
  readonly #lines: string[] = [];
  readonly #used = new Set<string>();
  readonly #variables = new Map<number, string>();
  /** Accumulators that an outer sum goes on with: they stay in double precision. */
  readonly #wide = new Set<number>();
  #names: Map<Expr, string> = new Map();
  #temporaries = 0;

  constructor(declarations: readonly BufferDeclaration[], kernel: Kernel) {
    this.#declarations = declarations;
    this.#kernel = kernel;
  }

  /** The kernel as a function of its own, called at once, so that engines optimise each by itself. */
  print(): string {
    if (this.#kernel.kind === "loops") this.statements(this.#kernel.body);
    else contractionText(this.#kernel, this);
    const arrays = [...this.#used].filter((name) => name.startsWith("b"));
    const words = [...this.#used]
      .filter((name) => name.startsWith("w"))
      .map((name) => {
        const array = `b${name.slice(1)}`;
        return `const ${name} = new Int32Array(${array}.buffer, ${array}.byteOffset, ${array}.length * 2);\n`;
      });
    const variables = [...this.#variables].map(([id, zero]) => `v${id} = ${zero}`);
    const declared = variables.length > 0 ? `let ${variables.join(", ")};\n` : "";
    const names = arrays.join(", ");
    return `((${names}) => {\n${words.join("")}${declared}${this.#lines.join("\n")}\n})(${names});\n`;
  }

  line(text: string): void {
    this.#lines.push(text);
  }

  /** The name of a buffer's array. */
  array(buffer: number): string {
    assert(this.#declarations[buffer], `there is no buffer ${buffer}`);
    const name = `b${buffer}`;
    this.#used.add(name);
    return name;
  }

  #wordsArray(buffer: number): void {
    this.array(buffer);
    this.#used.add(`w${buffer}`);
  }

  statements(statements: readonly Stmt[]): void {
    for (const statement of statements) this.#statement(statement);
  }

  #statement(statement: Stmt): void {
    switch (statement.do) {
      case "for": {
        this.#open([statement.extent]);
        const index = `v${statement.index.id}`;
        this.line(
          `for (let ${index} = 0, e${statement.index.id} = ${this.#text(statement.extent)}; ${index} < e${statement.index.id}; ${index}++) {`,
        );
        this.statements(statement.body);
        return this.line("}");
      }
      case "reduce":
        return this.#reduce(statement);
      case "let":
      case "assign":
        this.#open([statement.value]);
        this.#variables.set(statement.target.id, zeroText(statement.target.type));
        return this.line(`v${statement.target.id} = ${this.#text(statement.value)};`);
      case "store":
        return this.#store(statement);
      case "if":
        this.#open([statement.condition]);
        this.line(`if (${this.#text(statement.condition)}) {`);
        this.statements(statement.then);
        if (statement.otherwise.length > 0) {
          this.line("} else {");
          this.statements(statement.otherwise);
        }
        return this.line("}");
      case "while":
        this.line("for (;;) {");
        this.#open([statement.condition]);
        this.line(`if (!${this.#text(statement.condition)}) break;`);
        this.statements(statement.body);
        return this.line("}");
    }
  }

  #store({ buffer, offset, value }: Extract<Stmt, { do: "store" }>): void {
    const { type } = this.#declarations[buffer]!;
    const array = this.array(buffer);
    if (type === "int64" && value.op === "cast" && value.a.type === "i32") {
      // Two words, so that no bigint is made.
      this.#open([offset, value.a]);
      this.#wordsArray(buffer);
      const place = `t${this.#temporaries++}`;
      const low = `t${this.#temporaries++}`;
      this.line(`const ${place} = 2 * ${this.#text(offset)}, ${low} = ${this.#text(value.a)};`);
      return this.line(`w${buffer}[${place}] = ${low}; w${buffer}[${place} + 1] = ${low} >> 31;`);
    }
    this.#open([offset, value]);
    this.line(`${array}[${this.#text(offset)}] = ${storedText(type, this.#text(value))};`);
  }

  #reduce({ index, extent, body, accumulators }: Extract<Stmt, { do: "reduce" }>): void {
    this.#open([extent, ...accumulators.map(({ init }) => init)]);
    for (const { target, init } of accumulators) {
      this.#variables.set(target.id, zeroText(target.type));
      this.line(`v${target.id} = ${this.#text(init)};`);
    }
    for (const { fn, target, value } of accumulators) {
      if (fn === "add" && target.type === "f32" && value.op === "var") this.#wide.add(value.id);
    }
    const name = `v${index.id}`;
    this.line(`for (let ${name} = 0, e${index.id} = ${this.#text(extent)}; ${name} < e${index.id}; ${name}++) {`);
    this.statements(body);
    this.#open(accumulators.map(({ value }) => value));
    for (const { target, fn, value } of accumulators) {
      const [a, b] = [`v${target.id}`, this.#text(value)];
      const wide = fn === "add" && target.type === "f32";
      this.line(`${a} = ${wide ? `${a} + ${b}` : binaryText(fn, target.type, a, b)};`);
    }
    this.line("}");
    for (const { target, fn } of accumulators) {
      if (fn !== "add" || target.type !== "f32" || this.#wide.has(target.id)) continue;
      this.line(`v${target.id} = $fround(v${target.id});`);
    }
  }

  /** Starts a statement: nodes that its expressions use more than once get names. */
  #open(roots: readonly Expr[]): void {
    const uses = new Map<Expr, number>();
    const order: Expr[] = [];
    const count = (expression: Expr): void => {
      const seen = uses.get(expression) ?? 0;
      uses.set(expression, seen + 1);
      if (seen > 0) return;
      forEachOperand(expression, count);
      order.push(expression);
    };
    for (const root of roots) count(root);
    this.#names = new Map();
    for (const expression of order) {
      if (uses.get(expression)! < 2 || expression.op === "const" || expression.op === "var") continue;
      const text = this.#text(expression);
      const name = `t${this.#temporaries++}`;
      this.line(`const ${name} = ${text};`);
      this.#names.set(expression, name);
    }
  }

  #text(expression: Expr): string {
    const name = this.#names.get(expression);
    if (name !== undefined) return name;
    switch (expression.op) {
      case "const":
        return constantText(expression);
      case "var":
        return `v${expression.id}`;
      case "load":
        this.array(expression.buffer);
        return loadText(this.#declarations[expression.buffer]!.type, expression, this.#text(expression.offset));
      case "unary":
        return unaryText(expression.fn, expression.type, this.#operand(expression.a, expression.fn === "abs"));
      case "binary": {
        const twice = expression.fn === "min" || expression.fn === "max";
        return binaryText(
          expression.fn,
          expression.type,
          this.#operand(expression.a, twice),
          this.#operand(expression.b, twice),
        );
      }
      case "compare":
        return compareText(expression.fn, this.#text(expression.a), this.#text(expression.b));
      case "select":
        return `(${this.#text(expression.condition)} ? ${this.#text(expression.a)} : ${this.#text(expression.b)})`;
      case "cast": {
        const words = wordLoad(expression);
        if (words) {
          this.#wordsArray(words.buffer);
          return wordsText(words.type, expression.type, words.buffer, this.#text(words.offset))!;
        }
        return castText(expression.a.type, expression.type, this.#text(expression.a));
      }
      case "bitcast":
        return bitcastText(expression.a.type, expression.type, this.#text(expression.a));
    }
  }

  /** An operand whose text is used twice where it is a bigint: it is given a name first. */
  #operand(expression: Expr, twice: boolean): string {
    const text = this.#text(expression);
    const big = expression.type === "i64" || expression.type === "u64";
    if (!twice || !big || expression.op === "const" || expression.op === "var") return text;
    if (this.#names.has(expression)) return text;
    const name = `t${this.#temporaries++}`;
    this.line(`const ${name} = ${text};`);
    this.#names.set(expression, name);
    return name;
  }
}
