/**
 * The vectors of an index, in one memory that the kernels see, and distances from a query to any of them.
 *
 *   scratch   query f32 | query int16 | list u32[1024] | distances f32[1024]
 *   codes     capacity rows of int8 codes, padded to 16, then scale f32, bias f32, 8 bytes 0   (with int8 only)
 *   vectors   capacity rows of f32, padded with zeros to 16 numbers, so that a row begins a cache line
 *
 * Growing moves the vectors up; addresses and views are only good until the next `append`.
 */
import { HoldfastError } from "../../base/index.ts";
import { type KernelSet, kernelsOver } from "./kernels.ts";
import { checkVector, type IndexSettings, vectorLimits } from "./options.ts";

const pageBytes = 65_536;
/** Most rows a kernel call is handed. */
export const listLimit = 1_024;
const addressLimit = 2 ** 32;

export class VectorColumn {
  readonly settings: IndexSettings;
  readonly kernelKind: KernelSet["kind"];
  readonly rowBytes: number;
  /** 0 without codes. */
  readonly codeRowBytes: number;
  /** Row numbers for the next `measure…`. */
  list!: Uint32Array;
  /** What it found. */
  distances!: Float32Array;
  count = 0;
  readonly #set: KernelSet;
  readonly #queryCodes: number;
  readonly #list: number;
  readonly #out: number;
  readonly #codes: number;
  readonly #bias: number;
  #vectors: number;
  #capacity = 0;
  #floats!: Float32Array;
  #query = 0;
  #queryBias = 0;
  #queryScale = 0;

  constructor(settings: IndexSettings, capacity: number, kernels?: "simd" | "javascript") {
    this.settings = settings;
    this.rowBytes = roundUp(settings.dimension * 4, 64);
    const codeBytes = roundUp(settings.dimension, 16);
    this.codeRowBytes = settings.quantisation === "int8" ? codeBytes + 16 : 0;
    this.#queryCodes = this.rowBytes;
    this.#list = roundUp(this.#queryCodes + codeBytes * 2, 64);
    this.#out = this.#list + listLimit * 4;
    this.#codes = this.#out + listLimit * 4;
    this.#vectors = this.#codes;
    this.#bias = settings.metric === "cosine" ? 1 : 0;
    try {
      this.#set = kernelsOver(Math.ceil(this.#vectors / pageBytes), kernels);
    } catch (cause) {
      throw cause instanceof RangeError ? this.#full(capacity, cause) : cause;
    }
    this.kernelKind = this.#set.kind;
    this.reserve(capacity);
  }

  /** Makes room for that many rows in all. Throws STORE_VECTOR_FULL beyond what 32-bit addresses reach. */
  reserve(rows: number): void {
    if (rows <= this.#capacity && this.#floats !== undefined) return;
    const vectors = roundUp(this.#codes + rows * this.codeRowBytes, 64);
    const end = vectors + rows * this.rowBytes;
    if (end > addressLimit) throw this.#full(rows);
    const { memory } = this.#set;
    const missing = Math.ceil(end / pageBytes) - memory.buffer.byteLength / pageBytes;
    try {
      if (missing > 0) memory.grow(missing);
    } catch (cause) {
      throw this.#full(rows, cause);
    }
    const bytes = new Uint8Array(memory.buffer);
    bytes.copyWithin(vectors, this.#vectors, this.#vectors + this.count * this.rowBytes);
    bytes.fill(0, this.#codes + this.count * this.codeRowBytes, vectors);
    this.#vectors = vectors;
    this.#capacity = rows;
    this.#floats = new Float32Array(memory.buffer);
    this.list = new Uint32Array(memory.buffer, this.#list, listLimit);
    this.distances = new Float32Array(memory.buffer, this.#out, listLimit);
  }

  /** Takes the vector in as the next row. Throws as `checkVector` does, and STORE_VECTOR_FULL. */
  append(vector: Float32Array): void {
    const squared = checkVector(vector, this.settings);
    if (this.count === this.#capacity) this.#double();
    const at = (this.#vectors + this.count * this.rowBytes) >>> 2;
    this.#write(vector, squared, at);
    if (this.codeRowBytes > 0) this.#encodeRow(this.count);
    this.count++;
  }

  /** Takes over a row of another column of the same dimension and metric, which `reserve` has made room for. */
  copyRow(from: VectorColumn, row: number): void {
    this.#floats.set(from.vectorAt(row), (this.#vectors + this.count * this.rowBytes) >>> 2);
    if (this.codeRowBytes > 0) this.#encodeRow(this.count);
    this.count++;
  }

  /** The vector of a row as it is kept (at length 1 for cosine); good until the next `append`. */
  vectorAt(row: number): Float32Array {
    const at = (this.#vectors + row * this.rowBytes) >>> 2;
    return this.#floats.subarray(at, at + this.settings.dimension);
  }

  /** The rows' bytes as they stand in memory; what is set here must have been checked. */
  vectorBytes(rows = this.count): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#set.memory.buffer, this.#vectors, rows * this.rowBytes);
  }

  codeBytes(rows = this.count): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#set.memory.buffer, this.#codes, rows * this.codeRowBytes);
  }

  /** Whether a row that was set by its bytes can be compared: all products are finite. */
  isSound(row: number): boolean {
    const at = (this.#vectors + row * this.rowBytes) >>> 2;
    let squared = 0;
    for (let i = at; i < at + (this.rowBytes >>> 2); i++) squared += this.#floats[i]! * this.#floats[i]!;
    // Rounding each number of a vector of length 1 may have made it a little longer.
    if (!(squared <= vectorLimits.squaredLength * 1.001)) return false;
    if (this.codeRowBytes === 0) return true;
    const tail = (this.#codes + (row + 1) * this.codeRowBytes - 16) >>> 2;
    const [scale, bias] = [this.#floats[tail]!, this.#floats[tail + 1]!];
    const longest = Math.sqrt(vectorLimits.squaredLength);
    return scale >= 0 && scale <= longest && bias >= 0 && bias <= vectorLimits.squaredLength * 1.001;
  }

  /** A vector from outside becomes what is measured from. Throws as `checkVector` does. */
  aimAt(vector: Float32Array): void {
    const squared = checkVector(vector, this.settings);
    this.#write(vector, squared, 0);
    this.#query = 0;
    if (this.codeRowBytes > 0) this.#encodeQuery();
  }

  /** A row becomes what is measured from, by vectors; its codes are not set. */
  aimAtRow(row: number): void {
    this.#query = this.#vectors + row * this.rowBytes;
  }

  /** Distances to the first `count` rows of `list`, by vectors. */
  measure(count: number): void {
    const { kernels } = this.#set;
    const padded = this.#pad(count);
    const bytes = this.rowBytes;
    if (this.settings.metric === "l2") {
      kernels.l2(this.#query, this.#vectors, bytes, bytes, this.#list, padded, this.#out);
    } else {
      kernels.dot(this.#query, this.#vectors, bytes, bytes, this.#list, padded, this.#out, this.#bias);
    }
  }

  /** The same by codes: near the truth, at a quarter of the memory traffic. */
  measureCodes(count: number): void {
    const padded = this.#pad(count);
    const stride = this.codeRowBytes;
    const queryBytes = (stride - 16) * 2;
    const { kernels } = this.#set;
    const [bias, scale] = [this.#queryBias, this.#queryScale];
    kernels.codes(this.#queryCodes, this.#codes, stride, queryBytes, this.#list, padded, this.#out, bias, scale);
  }

  /** Less than double where addresses end. */
  #double(): void {
    const most = Math.floor((addressLimit - this.#codes - 64) / (this.rowBytes + this.codeRowBytes));
    this.reserve(Math.max(this.count + 1, Math.min(Math.max(64, this.count * 2), most)));
  }

  #pad(count: number): number {
    const padded = (count + 3) & ~3;
    for (let place = count; place < padded; place++) this.list[place] = this.list[count - 1]!;
    return padded;
  }

  #write(vector: Float32Array, squared: number, at: number): void {
    const floats = this.#floats;
    floats.fill(0, at, at + (this.rowBytes >>> 2));
    if (this.settings.metric !== "cosine") {
      floats.set(vector, at);
      return;
    }
    const length = Math.sqrt(squared);
    for (let i = 0; i < vector.length; i++) floats[at + i] = vector[i]! / length;
  }

  #encodeRow(row: number): void {
    const at = this.#codes + row * this.codeRowBytes;
    const codes = new Int8Array(this.#set.memory.buffer, at, this.codeRowBytes - 16);
    const tail = new Float32Array(this.#set.memory.buffer, at + this.codeRowBytes - 16, 4);
    const vector = this.vectorAt(row);
    tail.fill(0);
    tail[0] = encode(vector, codes);
    tail[1] = this.settings.metric === "l2" ? squaredLength(vector) : 0;
  }

  #encodeQuery(): void {
    const codes = new Int16Array(this.#set.memory.buffer, this.#queryCodes, this.codeRowBytes - 16);
    const vector = this.#floats.subarray(0, this.settings.dimension);
    const scale = encode(vector, codes);
    const l2 = this.settings.metric === "l2";
    this.#queryScale = l2 ? 2 * scale : scale;
    this.#queryBias = l2 ? squaredLength(vector) : this.#bias;
  }

  #full(rows: number, cause?: unknown): HoldfastError {
    return new HoldfastError("STORE_VECTOR_FULL", `no memory for ${rows} vectors of ${this.rowBytes} bytes`, {
      hint: "split the vectors over several indexes; one reaches 4 GiB",
      details: { rows, rowBytes: this.rowBytes },
      cause,
    });
  }
}

/** Fills in whole numbers from -127 to 127 and returns what they are to be multiplied by. */
function encode(vector: Float32Array, codes: Int8Array | Int16Array): number {
  let largest = 0;
  for (let i = 0; i < vector.length; i++) largest = Math.max(largest, Math.abs(vector[i]!));
  const scale = Math.fround(largest / 127);
  codes.fill(0);
  // The scale of numbers next to zero may round to zero, or to far more than a 127th.
  if (scale > 0) {
    for (let i = 0; i < vector.length; i++) {
      codes[i] = Math.max(-127, Math.min(127, Math.round(vector[i]! / scale)));
    }
  }
  return scale;
}

function squaredLength(vector: Float32Array): number {
  let squared = 0;
  for (let i = 0; i < vector.length; i++) squared += vector[i]! * vector[i]!;
  return Math.fround(squared);
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
