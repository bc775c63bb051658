/**
 * Trains the example's network on pictures it draws itself and writes shapes.onnx beside this file.
 *
 *     npm run example:train
 *
 * Seeded: the same steps give the same model.
 */
import { writeFileSync } from "node:fs";
import { classes, draw, seeded, side } from "./draw.ts";
import { toOnnx } from "./export.ts";
import { backward, forward, newNetwork, parametersOf } from "./network.ts";

const steps = Number(process.argv[2] ?? 2500);
const batch = 32;
const random = seeded(2026);
const network = newNetwork(side, [1, 8, 16, 24], classes.length, random);
const parameters = parametersOf(network);
const first = parameters.map(({ length }) => new Float32Array(length));
const second = parameters.map(({ length }) => new Float32Array(length));
const say = (text: string): void => void process.stderr.write(`${text}\n`);

let running = Math.log(classes.length);
for (let step = 1; step <= steps; step++) {
  const gradients = parameters.map(({ length }) => new Float32Array(length));
  let loss = 0;
  for (let one = 0; one < batch; one++) {
    const label = Math.floor(random() * classes.length);
    loss += backward(network, draw(label, random), label, gradients) / batch;
  }
  running += 0.02 * (loss - running);
  adam(step, gradients);
  if (step % 250 === 0) say(`step ${step}: loss ${running.toFixed(4)}`);
}

let right = 0;
const tests = 2000;
const unseen = seeded(7);
for (let one = 0; one < tests; one++) {
  const label = one % classes.length;
  const { probabilities } = forward(network, draw(label, unseen));
  if (probabilities.indexOf(Math.max(...probabilities)) === label) right++;
}
say(`${((100 * right) / tests).toFixed(1)} % of ${tests} unseen pictures right`);
writeFileSync(new URL("./shapes.onnx", import.meta.url), toOnnx(network, side));

/** One step of Adam (Kingma and Ba 2014), the rate falling along a cosine. */
function adam(step: number, gradients: readonly Float32Array[]): void {
  const rate = 0.004 * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
  for (const [place, values] of parameters.entries()) {
    for (let at = 0; at < values.length; at++) {
      const gradient = gradients[place]![at]! / batch;
      first[place]![at] = 0.9 * first[place]![at]! + 0.1 * gradient;
      second[place]![at] = 0.999 * second[place]![at]! + 0.001 * gradient * gradient;
      const mean = first[place]![at]! / (1 - 0.9 ** step);
      const variance = second[place]![at]! / (1 - 0.999 ** step);
      values[at]! -= (rate * mean) / (Math.sqrt(variance) + 1e-8);
    }
  }
}
