/** Integer operations as functions, where the instruction alone would trap (division) or wrap (shift counts). */
import { FunctionBuilder, type WasmFunction } from "../wasm/function-builder.ts";
import type { PlainOpcode } from "../wasm/opcodes.ts";

/** `div`, `rem`, `min`, `max`, `pow`, `shl` or `shr` of an integer type; undefined for anything else. */
export function integerFunction(name: string, type: string): WasmFunction | undefined {
  const value = type === "i32" || type === "u32" ? "i32" : "i64";
  const signed = type === "i32" || type === "i64";
  const b = new FunctionBuilder(`${name}.${type}`, [value, value], [value]);
  const [x, y] = b.params as [(typeof b.params)[0], (typeof b.params)[0]];
  const op = (suffix: string): FunctionBuilder => b.op(`${value}.${suffix}` as PlainOpcode);
  const literal = (n: number): FunctionBuilder => (value === "i64" ? b.i64(BigInt(n)) : b.i32(n));
  const sign = signed ? "s" : "u";
  switch (name) {
    case "min":
    case "max":
      b.get(x).get(y).get(x).get(y);
      op(`${name === "min" ? "lt" : "gt"}_${sign}`).op("select");
      return b.finish();
    case "div":
    case "rem":
      b.get(y);
      op("eqz").if(() => literal(0).op("return"));
      if (signed) {
        // The least number by -1 would trap.
        b.get(y);
        literal(-1);
        op("eq").if(() => {
          if (name === "rem") literal(0);
          else {
            literal(0).get(x);
            op("sub");
          }
          b.op("return");
        });
      }
      b.get(x).get(y);
      op(`${name}_${sign}`);
      return b.finish();
    case "shl":
    case "shr": {
      const width = value === "i64" ? 64 : 32;
      b.get(y);
      literal(width);
      op("ge_u").if(() => {
        if (name === "shr" && signed) {
          b.get(x);
          literal(width - 1);
          op("shr_s");
        } else literal(0);
        b.op("return");
      });
      b.get(x).get(y);
      op(name === "shl" ? "shl" : `shr_${sign}`);
      return b.finish();
    }
    case "pow":
      return integerPower(b, value, signed);
    default:
      return undefined;
  }
}

function integerPower(b: FunctionBuilder, value: "i32" | "i64", signed: boolean): WasmFunction {
  const [x, y] = b.params as [(typeof b.params)[0], (typeof b.params)[0]];
  const op = (suffix: string): FunctionBuilder => b.op(`${value}.${suffix}` as PlainOpcode);
  const literal = (n: number): FunctionBuilder => (value === "i64" ? b.i64(BigInt(n)) : b.i32(n));
  const result = b.local(value);
  if (signed) {
    b.get(y);
    literal(0);
    op("lt_s").if(() => {
      // 1 and -1 have whole inverses; of everything else the inverse is cut to 0.
      b.get(x);
      literal(1);
      op("eq").if(() => literal(1).op("return"));
      b.get(x);
      literal(-1);
      op("eq").if(() => {
        literal(1).get(y);
        literal(1);
        op("and");
        literal(1);
        op("shl");
        op("sub").op("return");
      });
      literal(0).op("return");
    });
  }
  literal(1).set(result);
  b.block((end) => {
    b.loop((head) => {
      b.get(y);
      op("eqz").branchIf(end);
      b.get(y);
      literal(1);
      op("and");
      if (value === "i64") b.op("i32.wrap_i64");
      b.if(() => {
        b.get(result).get(x);
        op("mul").set(result);
      });
      b.get(x).get(x);
      op("mul").set(x);
      b.get(y);
      literal(1);
      op("shr_u").set(y);
      b.branch(head);
    });
  });
  return b.get(result).finish();
}
