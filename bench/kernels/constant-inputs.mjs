/**
 * Inputs for a fresh process up to its first output: one half, or one, everywhere; their values do not matter there.
 * Plain JavaScript, like its callers: a process whose start is measured must not wait for types to be stripped.
 */

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

export function constantInput({ type, shape }) {
  const data = new arrays[type](shape.reduce((product, extent) => product * extent, 1));
  return data.fill(type.startsWith("float") ? 0.5 : type.endsWith("64") ? 1n : 1);
}
