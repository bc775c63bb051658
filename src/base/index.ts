export { addAbortCallback, delay, LinkedController, removeAbortCallback, untilAborted } from "./abort.ts";
export { bytesEqual, concatBytes, hexOf, utf8, utf8Text } from "./bytes.ts";
export { crc32, fnv1a64, Sha256, sha256 } from "./checksum.ts";
export { type Clock, systemClock } from "./clock.ts";
export { errorText } from "./error-text.ts";
export {
  AssertionFailure,
  assert,
  type ErrorCode,
  type ErrorDetails,
  HoldfastError,
  type HoldfastErrorOptions,
} from "./errors.ts";
export { type Linked, LinkedOrder } from "./linked-order.ts";
export { LruMap } from "./lru-map.ts";
export { guardMetrics, MemoryMetrics, type MetricLabels, type Metrics } from "./metrics.ts";
export { nearestName } from "./nearest-name.ts";
export { type Random, seededRandom, systemRandom } from "./random.ts";
export { isThenable } from "./thenable.ts";
export { eventsOf, type Listener, type ListenerFailure, reportFailure, Topic } from "./topic.ts";
export { VirtualClock } from "./virtual-clock.ts";
export { errorFromWire, errorToWire, toHoldfastError, type WireError } from "./wire-error.ts";
