/** Exit codes, few and fixed: scripts that need more read `code` from --json. */
import type { HoldfastError } from "../base/index.ts";

export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  degraded: 3,
  notFound: 4,
  locked: 5,
  unreachable: 6,
  interrupted: 130,
} as const;

const usageErrors = new Set([
  "ONNX_DYNAMIC_SHAPE",
  "ONNX_UNKNOWN_INPUT",
  "ONNX_BIND_TYPE",
  "TENSOR_BAD_STRATEGY",
  "FORGE_BAD_OPTION",
  "STORE_OPTION",
  "STORE_ID",
  "STORE_COLLECTION",
]);

const missing = new Set(["DISK_NOT_FOUND", "WAL_MISSING", "STORE_MISSING", "STORE_NOT_FOUND", "STORE_BACKUP_MISSING"]);

export function exitCodeOf(error: HoldfastError): number {
  const isUsage = usageErrors.has(error.code) || /^(CLI|POLICY|STORE_VECTOR)_/.test(error.code);
  if (isUsage && error.code !== "STORE_VECTOR_CORRUPT") return exitCodes.usage;
  if (missing.has(error.code)) return exitCodes.notFound;
  if (error.code === "DISK_LOCKED" || error.code === "STORE_LOCKED") return exitCodes.locked;
  return exitCodes.failed;
}
