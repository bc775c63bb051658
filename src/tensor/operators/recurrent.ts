/**
 * RNN, GRU and LSTM, one loop over time a direction.
 *
 * The hidden state lives in scratch twice, as it was before a step and as it is after, because every unit reads all of
 * the former. A sequence shorter than the longest keeps its state and gives zeros once it is over.
 */
import { type ElementType, scalarTypeOf } from "../ir/element-type.ts";
import { add, cast, compare, constant, type Expr, index, max, mul, select, sub } from "../ir/expression.ts";
import type { Stmt } from "../ir/kernel.ts";
import type { OperatorContext } from "./context.ts";
import type { LoopsIo, OperatorDefinition, ScratchTensor } from "./definition.ts";
import {
  type Activation,
  biasOf,
  clipperOf,
  inferRecurrent,
  type Recurrence,
  recurrenceOf,
  stateAt,
  weighted,
} from "./recurrent-cell.ts";

/** One step of one direction, as its cell sees it. */
interface Step {
  readonly io: LoopsIo;
  readonly recurrence: Recurrence;
  readonly direction: Expr;
  readonly activations: readonly Activation[];
  readonly clip: Activation;
  /** Element k of the input at this time, for a batch entry. */
  input(batch: Expr, k: Expr): Expr;
  readonly hidden: ScratchTensor;
  readonly next: ScratchTensor;
  /** Whether the sequence of a batch entry is not over. */
  active(batch: Expr): Expr;
}

/** Statements that fill `next` from `hidden` for every batch entry and unit. */
type Cell = (step: Step) => readonly Stmt[];
/** Makes a cell's own scratch, once a direction; `start` sets it, `finish` reads it out. */
interface CellMaker {
  make(
    io: LoopsIo,
    recurrence: Recurrence,
    direction: Expr,
  ): { readonly start: readonly Stmt[]; readonly cell: Cell; readonly finish: readonly Stmt[] };
}

const at = (recurrence: Recurrence, batch: Expr, unit: Expr): Expr => add(mul(batch, index(recurrence.hidden)), unit);

/** W·x + R·h of one gate's row with its biases. */
function preactivation(
  step: Step,
  gate: number,
  batch: Expr,
  unit: Expr,
): { readonly statements: readonly Stmt[]; readonly result: Expr } {
  const { io, recurrence, direction, hidden } = step;
  const row = add(unit, index(gate * recurrence.hidden));
  const fromInput = weighted(io, io.inputs[1]!, direction, row, (k) => step.input(batch, k));
  const fromState = weighted(io, io.inputs[2]!, direction, row, (k) => hidden.load(at(recurrence, batch, k)));
  const bias = biasOf(io, recurrence, direction, row);
  const sum = add(fromInput.result, fromState.result);
  return {
    statements: [...fromInput.statements, ...fromState.statements],
    result: bias ? add(sum, add(bias.input, bias.recurrent)) : sum,
  };
}

const plainCell: CellMaker = {
  make: () => ({
    start: [],
    finish: [],
    cell: (step) =>
      step.io.build.eachIndex([step.recurrence.batch, step.recurrence.hidden], ([batch, unit]) => {
        const { statements, result } = preactivation(step, 0, batch!, unit!);
        return [
          ...statements,
          step.next.store(at(step.recurrence, batch!, unit!), step.activations[0]!(step.clip(result))),
        ];
      }),
  }),
};

/** Gates z, r, h. The reset gate is needed whole before the hidden gate where it is applied to the state. */
function gatedCell(linearBeforeReset: boolean): CellMaker {
  return {
    make(io, recurrence) {
      const { type } = io.inputs[0]!;
      const count = recurrence.batch * recurrence.hidden;
      const [update, reset] = [io.scratch(type, count), io.scratch(type, count)];
      const shape = [recurrence.batch, recurrence.hidden];
      const cell: Cell = (step) => {
        const [gate, candidate] = step.activations as readonly [Activation, Activation];
        const gates = io.build.eachIndex(shape, ([batch, unit]) => {
          const place = at(recurrence, batch!, unit!);
          const z = preactivation(step, 0, batch!, unit!);
          const r = preactivation(step, 1, batch!, unit!);
          const stores = [
            update.store(place, gate(step.clip(z.result))),
            reset.store(place, gate(step.clip(r.result))),
          ];
          return [...z.statements, ...r.statements, ...stores];
        });
        const states = io.build.eachIndex(shape, ([batch, unit]) => {
          const place = at(recurrence, batch!, unit!);
          const row = add(unit!, index(2 * recurrence.hidden));
          const bias = biasOf(io, recurrence, step.direction, row);
          const fromInput = weighted(io, io.inputs[1]!, step.direction, row, (k) => step.input(batch!, k));
          const fromState = weighted(io, io.inputs[2]!, step.direction, row, (k) => {
            const from = at(recurrence, batch!, k);
            return linearBeforeReset ? step.hidden.load(from) : mul(reset.load(from), step.hidden.load(from));
          });
          const state = bias ? add(fromState.result, bias.recurrent) : fromState.result;
          const input = bias ? add(fromInput.result, bias.input) : fromInput.result;
          const fresh = io.build.variable(input.type);
          const z = update.load(place);
          const value = add(input, linearBeforeReset ? mul(reset.load(place), state) : state);
          const kept = mul(z, step.hidden.load(place));
          return [
            ...fromInput.statements,
            ...fromState.statements,
            { do: "let", target: fresh, value: candidate(step.clip(value)) },
            step.next.store(place, add(mul(sub(constant(fresh.type, 1), z), fresh), kept)),
          ];
        });
        return [...gates, ...states];
      };
      return { start: [], finish: [], cell };
    },
  };
}

/** Gates i, o, f, c; peepholes i, o, f. */
const longShortCell: CellMaker = {
  make(io, recurrence, direction) {
    const { type } = io.inputs[0]!;
    const scalar = scalarTypeOf(type);
    const shape = [recurrence.batch, recurrence.hidden];
    const carried = io.scratch(type, recurrence.batch * recurrence.hidden);
    const start = io.build.eachIndex(shape, ([batch, unit]) => [
      carried.store(
        at(recurrence, batch!, unit!),
        stateAt(io.inputs[6], recurrence, [direction, batch!, unit!], scalar),
      ),
    ]);
    const output = io.outputs[2];
    const finish = output
      ? io.build.eachIndex(shape, ([batch, unit]) => {
          const place = recurrence.batchFirst ? [batch!, direction, unit!] : [direction, batch!, unit!];
          return output.store(place, carried.load(at(recurrence, batch!, unit!)));
        })
      : [];
    const cell: Cell = (step) =>
      io.build.eachIndex(shape, ([batch, unit]) => {
        const place = at(recurrence, batch!, unit!);
        const [gate, candidate, exposed] = step.activations as readonly [Activation, Activation, Activation];
        const [i, o, f, c] = [0, 1, 2, 3].map((one) => preactivation(step, one, batch!, unit!)) as [Pre, Pre, Pre, Pre];
        const peep = (value: Expr, which: number, of: Expr): Expr => {
          const view = io.inputs[7];
          return view ? add(value, mul(view.at([direction, add(unit!, index(which * recurrence.hidden))]), of)) : value;
        };
        const before = io.build.variable(scalar);
        const after = io.build.variable(scalar);
        const entered = mul(gate(peep(i.result, 0, before)), candidate(c.result));
        const kept = mul(gate(peep(f.result, 2, before)), before);
        return [
          ...[i, o, f, c].flatMap(({ statements }) => statements),
          { do: "let", target: before, value: carried.load(place) },
          { do: "let", target: after, value: add(kept, entered) },
          step.next.store(place, mul(gate(peep(o.result, 1, after)), exposed(after))),
          carried.store(place, select(step.active(batch!), after, before)),
        ];
      });
    return { start, cell, finish };
  },
};

type Pre = ReturnType<typeof preactivation>;

/** All of one direction. */
function walk(io: LoopsIo, recurrence: Recurrence, place: number, clip: Activation, maker: CellMaker): Stmt[] {
  const { batch: batches, hidden: units, steps, batchFirst } = recurrence;
  const type: ElementType = io.inputs[0]!.type;
  const scalar = scalarTypeOf(type);
  const direction = index(place);
  const shape = [batches, units];
  const [hidden, next] = [io.scratch(type, batches * units), io.scratch(type, batches * units)];
  const { start, cell, finish } = maker.make(io, recurrence, direction);
  const lengths = io.inputs[4];
  const lengthOf = (batch: Expr): Expr => (lengths ? cast("i32", lengths.at([batch])) : index(steps));
  const every = (body: (batch: Expr, unit: Expr, offset: Expr) => Stmt[]): Stmt[] =>
    io.build.eachIndex(shape, ([batch, unit]) => body(batch!, unit!, at(recurrence, batch!, unit!)));
  const initial = every((batch, unit, offset) => [
    hidden.store(offset, stateAt(io.inputs[5], recurrence, [direction, batch, unit], scalar)),
  ]);
  const loop = io.build.sequence(steps, (step) => {
    const active = (batch: Expr): Expr => (lengths ? compare("lt", step, lengthOf(batch)) : constant("bool", 1));
    // A sequence walked backwards begins at its own end; what lies past it stays where it is.
    const time = (batch: Expr): Expr => {
      if (!recurrence.reverse[place]) return step;
      const back = sub(index(steps - 1), step);
      return lengths ? select(active(batch), max(sub(sub(lengthOf(batch), index(1)), step), index(0)), step) : back;
    };
    const input = (batch: Expr, k: Expr): Expr =>
      io.inputs[0]!.at(batchFirst ? [batch, time(batch), k] : [time(batch), batch, k]);
    const activations = recurrence.activations[place]!;
    const filled = cell({ io, recurrence, direction, activations, clip, input, hidden, next, active });
    const settled = every((batch, unit, offset) => {
      const all = io.outputs[0];
      const when = time(batch);
      const shown = select(active(batch), next.load(offset), constant(scalar, 0));
      const shownAt = batchFirst ? [batch, when, direction, unit] : [when, direction, batch, unit];
      return [
        ...(all?.store(shownAt, shown) ?? []),
        hidden.store(offset, select(active(batch), next.load(offset), hidden.load(offset))),
      ];
    });
    return [...filled, ...settled];
  });
  const last = io.outputs[1];
  const final = last
    ? every((batch, unit, offset) =>
        last.store(batchFirst ? [batch, direction, unit] : [direction, batch, unit], hidden.load(offset)),
      )
    : [];
  return [...start, ...initial, loop, ...final, ...finish];
}

function definitionOf(
  operator: string,
  gates: number,
  defaults: readonly string[],
  cellOf: (context: OperatorContext) => CellMaker,
): OperatorDefinition {
  const states = gates === 4 ? 2 : 1;
  return {
    operator,
    since: 7,
    infer(context) {
      // Whether the cell is clipped too is not settled among runtimes.
      if (gates === 4 && context.has("clip")) context.reject("TENSOR_UNSUPPORTED_FORM", "clip is not taken");
      if (gates === 4 && context.int("input_forget", 0) !== 0)
        context.reject("TENSOR_UNSUPPORTED_FORM", "input_forget is not taken");
      clipperOf(context);
      return inferRecurrent(context, recurrenceOf(context, gates, defaults), states);
    },
    lower(context) {
      const recurrence = recurrenceOf(context, gates, defaults);
      const clip = clipperOf(context);
      const maker = cellOf(context);
      return {
        form: "loops",
        emit: (io) => recurrence.reverse.flatMap((_, place) => walk(io, recurrence, place, clip, maker)),
      };
    },
  };
}

export const recurrent: readonly OperatorDefinition[] = [
  definitionOf("RNN", 1, ["Tanh"], () => plainCell),
  definitionOf("GRU", 3, ["Sigmoid", "Tanh"], (context) => gatedCell(context.int("linear_before_reset", 0) !== 0)),
  definitionOf("LSTM", 4, ["Sigmoid", "Tanh", "Tanh"], () => longShortCell),
];
