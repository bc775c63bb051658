/**
 * When a kernel's inner part is worth a function of its own.
 *
 * V8 compiles a function quickly, counts how hot it gets, and has it optimised beside: the next call then takes the
 * faster code, but a call that is under way stays in the slow one to its end. A kernel is called once a run, so without
 * parts that are called again the whole first run is slow. Parts cost a call each, and the optimiser some milliseconds:
 * small kernels are over before it is.
 */
const multiplicationsLimit = 2 ** 20;
const callsLimit = 4;

export function worthOutlining(multiplications: number, calls: number): boolean {
  return multiplications >= multiplicationsLimit && calls >= callsLimit;
}
