/**
 * A small convolutional network with its gradient, written out in loops: three 3×3 convolutions of stride 2 with ReLU,
 * the mean of each channel, one matrix. Enough to be trained in a minute, and everything a compiler needs to show.
 */
import type { Random } from "./draw.ts";

export interface Layer {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Side of the square input; the output's is half. */
  readonly side: number;
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

export interface Network {
  readonly layers: readonly Layer[];
  /** [classes][channels] and [classes]. */
  readonly matrix: Float32Array;
  readonly matrixBias: Float32Array;
  readonly classes: number;
}

export function newNetwork(side: number, channels: readonly number[], classes: number, random: Random): Network {
  const normal = (scale: number): number =>
    scale * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const layers: Layer[] = [];
  let extent = side;
  for (let place = 1; place < channels.length; place++) {
    const [inChannels, outChannels] = [channels[place - 1]!, channels[place]!];
    const scale = Math.sqrt(2 / (inChannels * 9));
    const weights = Float32Array.from({ length: outChannels * inChannels * 9 }, () => normal(scale));
    layers.push({ inChannels, outChannels, side: extent, weights, bias: new Float32Array(outChannels) });
    extent /= 2;
  }
  const last = channels.at(-1)!;
  const matrix = Float32Array.from({ length: classes * last }, () => normal(Math.sqrt(1 / last)));
  return { layers, matrix, matrixBias: new Float32Array(classes), classes };
}

/** All parameters, in one order. */
export function parametersOf(network: Network): Float32Array[] {
  return [...network.layers.flatMap(({ weights, bias }) => [weights, bias]), network.matrix, network.matrixBias];
}

/** Activations of each layer (after ReLU), the channel means and the class probabilities. */
interface Pass {
  readonly activations: Float32Array[];
  readonly means: Float32Array;
  readonly probabilities: Float32Array;
}

/** Calls `visit` for each tap of each output of a layer: output, input and weight offsets. */
function eachTap(layer: Layer, visit: (output: number, input: number, weight: number) => void): void {
  const { inChannels, outChannels, side } = layer;
  const half = side / 2;
  for (let o = 0; o < outChannels; o++) {
    for (let y = 0; y < half; y++) {
      for (let x = 0; x < half; x++) {
        const output = (o * half + y) * half + x;
        for (let c = 0; c < inChannels; c++) {
          for (let ky = 0; ky < 3; ky++) {
            const sy = y * 2 + ky - 1;
            if (sy < 0 || sy >= side) continue;
            for (let kx = 0; kx < 3; kx++) {
              const sx = x * 2 + kx - 1;
              if (sx < 0 || sx >= side) continue;
              visit(output, (c * side + sy) * side + sx, ((o * inChannels + c) * 3 + ky) * 3 + kx);
            }
          }
        }
      }
    }
  }
}

export function forward(network: Network, picture: Float32Array): Pass {
  const activations = [picture];
  for (const layer of network.layers) {
    const input = activations.at(-1)!;
    const area = (layer.side / 2) ** 2;
    const output = new Float32Array(layer.outChannels * area);
    for (let o = 0; o < layer.outChannels; o++) output.fill(layer.bias[o]!, o * area, (o + 1) * area);
    eachTap(layer, (to, from, weight) => {
      output[to]! += input[from]! * layer.weights[weight]!;
    });
    for (let place = 0; place < output.length; place++) output[place] = Math.max(0, output[place]!);
    activations.push(output);
  }
  const last = network.layers.at(-1)!;
  const area = (last.side / 2) ** 2;
  const means = Float32Array.from({ length: last.outChannels }, (_, c) => {
    let sum = 0;
    for (let place = 0; place < area; place++) sum += activations.at(-1)![c * area + place]!;
    return sum / area;
  });
  const logits = Array.from({ length: network.classes }, (_, k) =>
    means.reduce((sum, mean, c) => sum + mean * network.matrix[k * means.length + c]!, network.matrixBias[k]!),
  );
  const top = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - top));
  const total = exponentials.reduce((a, b) => a + b, 0);
  return { activations, means, probabilities: Float32Array.from(exponentials, (value) => value / total) };
}

/** Adds the gradient of one picture's loss to `gradients` (in the order of `parametersOf`); gives the loss. */
export function backward(
  network: Network,
  picture: Float32Array,
  label: number,
  gradients: readonly Float32Array[],
): number {
  const { activations, means, probabilities } = forward(network, picture);
  const delta = Float32Array.from(probabilities, (p, k) => p - (k === label ? 1 : 0));
  const [matrixGradient, biasGradient] = gradients.slice(-2) as [Float32Array, Float32Array];
  const last = network.layers.at(-1)!;
  const area = (last.side / 2) ** 2;
  let upstream = new Float32Array(last.outChannels * area);
  for (let k = 0; k < network.classes; k++) {
    biasGradient[k]! += delta[k]!;
    for (let c = 0; c < means.length; c++) {
      matrixGradient[k * means.length + c]! += delta[k]! * means[c]!;
      const share = (delta[k]! * network.matrix[k * means.length + c]!) / area;
      for (let place = 0; place < area; place++) upstream[c * area + place]! += share;
    }
  }
  for (let place = network.layers.length - 1; place >= 0; place--) {
    const layer = network.layers[place]!;
    const output = activations[place + 1]!;
    const input = activations[place]!;
    const [weightGradient, layerBias] = [gradients[place * 2]!, gradients[place * 2 + 1]!];
    const own = (layer.side / 2) ** 2;
    for (let at = 0; at < output.length; at++) {
      if (output[at]! <= 0) upstream[at] = 0;
      layerBias[Math.floor(at / own)]! += upstream[at]!;
    }
    const next = new Float32Array(input.length);
    const current = upstream;
    eachTap(layer, (to, from, weight) => {
      const value = current[to]!;
      if (value === 0) return;
      weightGradient[weight]! += value * input[from]!;
      next[from]! += value * layer.weights[weight]!;
    });
    upstream = next;
  }
  return -Math.log(Math.max(1e-9, probabilities[label]!));
}
