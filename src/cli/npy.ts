/**
 * NumPy's .npy files (format 1 to 3), C order, little-endian:
 *
 *   \x93NUMPY | major minor | header length (u16, from 2.0 on u32) | header | data
 *
 * The header is a literal of Python: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 */
import { HoldfastError, utf8, utf8Text } from "../base/index.ts";
import { byteSizeOf, type ConstantData, type ElementType, elementCount } from "../tensor/index.ts";

const types: Readonly<Record<string, ElementType>> = {
  "<f4": "float32",
  "<f8": "float64",
  "<f2": "float16",
  "|i1": "int8",
  "|u1": "uint8",
  "<i2": "int16",
  "<u2": "uint16",
  "<i4": "int32",
  "<u4": "uint32",
  "<i8": "int64",
  "<u8": "uint64",
  "|b1": "bool",
};

export function readNpy(bytes: Uint8Array): ConstantData {
  const bad = (message: string): never => {
    throw new HoldfastError("CLI_BAD_NPY", `the .npy file ${message}`, {
      hint: "save it again with numpy.save, in C order, of a number type",
    });
  };
  if (bytes.length < 10 || bytes[0] !== 0x93 || utf8Text(bytes.subarray(1, 6)) !== "NUMPY")
    bad("does not begin as one");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[6]! >= 2;
  const start = wide ? 12 : 10;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  if (start + length > bytes.length) bad("is cut off");
  const header = utf8Text(bytes.subarray(start, start + length));
  const type = types[/'descr':\s*'([^']+)'/.exec(header)?.[1] ?? ""];
  const dims = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (!type || dims === undefined) return bad(`has a header that is not taken: ${header.trim()}`);
  const shape = dims
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(Number);
  if (/'fortran_order':\s*True/.test(header) && shape.length > 1) bad("is in Fortran order");
  const data = bytes.slice(start + length);
  if (data.length !== elementCount(shape) * byteSizeOf(type))
    bad(`holds ${data.length} bytes, not those of shape (${shape})`);
  return { type, shape, splat: false, bytes: data };
}

export function writeNpy({ type, shape, bytes }: Omit<ConstantData, "splat">): Uint8Array {
  const descr = Object.entries(types).find(([, one]) => one === type)?.[0] ?? "<u2";
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const padded = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11, " ");
  const header = utf8(`${padded}\n`);
  const file = new Uint8Array(10 + header.length + bytes.length);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 0xff, header.length >> 8]);
  file.set(header, 10);
  file.set(bytes, 10 + header.length);
  return file;
}
