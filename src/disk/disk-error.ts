/** What the system says when a file operation fails, as a HoldfastError that says what to do. */

import { type ErrorCode, HoldfastError } from "../base/index.ts";

interface Meaning {
  readonly code: ErrorCode;
  readonly says: string;
  readonly hint: string;
  readonly retryable?: boolean;
}

const meanings: Readonly<Record<string, Meaning>> = {
  ENOENT: { code: "DISK_NOT_FOUND", says: "no such file or folder", hint: "Check the path." },
  EACCES: {
    code: "DISK_DENIED",
    says: "permission denied",
    hint: "Check the owner and the mode of the path and of its folders.",
  },
  EPERM: {
    code: "DISK_DENIED",
    says: "operation not permitted",
    hint: "Check the owner and the attributes of the path.",
  },
  EROFS: {
    code: "DISK_READ_ONLY",
    says: "the file system is read-only",
    hint: "Choose a folder on a writable file system.",
  },
  ENOSPC: {
    code: "DISK_FULL",
    says: "no space left on the device",
    hint: "Free some space, then try again.",
    retryable: true,
  },
  EDQUOT: {
    code: "DISK_FULL",
    says: "the disk quota is used up",
    hint: "Free some space, then try again.",
    retryable: true,
  },
  EFBIG: {
    code: "DISK_TOO_LARGE",
    says: "the file would be larger than allowed",
    hint: "Raise the file size limit (ulimit -f).",
  },
  EEXIST: { code: "DISK_EXISTS", says: "it already exists", hint: "Choose another name, or remove what is there." },
  EISDIR: { code: "DISK_NOT_A_FILE", says: "it is a folder", hint: "Name a file." },
  ENOTDIR: { code: "DISK_NOT_A_FOLDER", says: "a part of the path is not a folder", hint: "Check the path." },
  ENOTEMPTY: { code: "DISK_EXISTS", says: "the folder is not empty", hint: "Empty the folder first." },
  EMFILE: {
    code: "DISK_TOO_MANY_OPEN",
    says: "too many open files",
    hint: "Raise the limit (ulimit -n).",
    retryable: true,
  },
  ENFILE: {
    code: "DISK_TOO_MANY_OPEN",
    says: "too many open files on this machine",
    hint: "Close other programs.",
    retryable: true,
  },
  ENAMETOOLONG: { code: "DISK_BAD_PATH", says: "the path is too long", hint: "Choose a shorter path." },
  ELOOP: { code: "DISK_BAD_PATH", says: "too many symbolic links", hint: "Check the links in the path." },
  EIO: {
    code: "DISK_IO",
    says: "the device failed",
    hint: "Check the system log and the device; do not trust unsynced data.",
  },
};

/** The error of a failed operation, for example `diskError("write", path, cause)`. */
export function diskError(operation: string, path: string, cause: unknown): HoldfastError {
  if (HoldfastError.is(cause)) return cause;
  const system = systemCodeOf(cause);
  const meaning = meanings[system];
  const says = meaning?.says ?? (cause instanceof Error ? cause.message : String(cause));
  return new HoldfastError(meaning?.code ?? "DISK_FAILED", `cannot ${operation} ${path}: ${says}`, {
    cause,
    hint: meaning?.hint ?? "Check the path and the file system.",
    retryable: meaning?.retryable ?? false,
    details: { operation, path, ...(system === "" ? {} : { system }) },
  });
}

export function systemCodeOf(cause: unknown): string {
  const code = typeof cause === "object" && cause !== null ? (cause as { readonly code?: unknown }).code : undefined;
  return typeof code === "string" ? code : "";
}

/** As node:fs would throw it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
