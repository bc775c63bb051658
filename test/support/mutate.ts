/**
 * Damage of two kinds, from a seed: to bytes as they lie in a file, and to a message as a broken exporter writes it.
 */
import { type DescMessage, fromBinary, ScalarType, toBinary } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";

export interface Chance {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
  pick<T>(list: readonly T[]): T;
}

export function chanceOf(random: () => number): Chance {
  const below = (limit: number): number => Math.floor(random() * limit);
  return { below, pick: (list) => list[below(list.length)]! };
}

/** One to four wounds: bits, bytes, runs cut out, repeated, or taken from a donor. */
export function damagedBytes(bytes: Uint8Array, donor: Uint8Array, chance: Chance): Uint8Array {
  let list = [...bytes];
  for (let wounds = 1 + chance.below(4); wounds > 0; wounds--) {
    const place = chance.below(list.length + 1);
    const run = 1 + chance.below(16);
    const from = chance.below(donor.length);
    const wound = chance.pick<() => number[]>([
      () => list.with(Math.min(place, list.length - 1), (list[place] ?? 0) ^ (1 << chance.below(8))),
      () => list.with(Math.min(place, list.length - 1), chance.pick([0, 1, 0x7f, 0x80, 0xff])),
      () => list.toSpliced(place, run),
      () => list.toSpliced(place, 0, ...list.slice(place, place + run)),
      () => list.toSpliced(place, run, ...donor.slice(from, from + run)),
      () => list.slice(0, place),
    ]);
    list = list.length === 0 ? list : wound();
  }
  return Uint8Array.from(list);
}

const numbers = [
  0n,
  1n,
  -1n,
  2n,
  3n,
  7n,
  64n,
  1_000_003n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 40n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];

/** One to three fields changed to what is extreme, missing, doubled or somebody else's. */
export function damagedMessage<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array, chance: Chance): Uint8Array {
  const message = fromBinary(schema, bytes);
  const texts = [...new Set(messagesIn(reflect(schema, message)).flatMap(textsOf))];
  for (let wounds = 1 + chance.below(3); wounds > 0; wounds--) {
    const whole = messagesIn(reflect(schema, message));
    wound(chance.pick(whole), texts, chance);
  }
  return toBinary(schema, message);
}

/** A message and all within it. */
export function messagesIn(message: ReflectMessage): ReflectMessage[] {
  const inner = message.fields.flatMap((field): ReflectMessage[] => {
    if (field.fieldKind === "message" && message.isSet(field)) return [message.get(field) as ReflectMessage];
    if (field.fieldKind === "list" && field.listKind === "message")
      return [...(message.get(field) as Iterable<ReflectMessage>)];
    return [];
  });
  return [message, ...inner.flatMap(messagesIn)];
}

function textsOf(message: ReflectMessage): string[] {
  return message.fields.flatMap((field): string[] => {
    if (field.fieldKind === "scalar" && field.scalar === ScalarType.STRING) return [message.get(field)];
    if (field.fieldKind === "list" && field.listKind === "scalar" && field.scalar === ScalarType.STRING)
      return [...(message.get(field) as Iterable<string>)];
    return [];
  });
}

function wound(message: ReflectMessage, texts: readonly string[], chance: Chance): void {
  const set = message.fields.filter((field) => message.isSet(field));
  // Mostly what is there: a field that is empty is seldom what breaks a reader.
  const field = chance.pick(set.length > 0 && chance.below(5) > 0 ? set : message.fields);
  if (field.fieldKind === "scalar") message.set(field, scalar(field.scalar, texts, chance));
  else if (field.fieldKind === "list") woundList(message, field.name, texts, chance);
  else message.clear(field);
}

function woundList(message: ReflectMessage, name: string, texts: readonly string[], chance: Chance): void {
  const field = message.fields.find((one) => one.name === name);
  if (field?.fieldKind !== "list") return;
  const list = message.get(field);
  const place = chance.below(Math.max(1, list.size));
  const action = chance.below(4);
  if (action === 0 && list.size > 0) {
    const rest = [...list].filter((_, at) => at !== place);
    list.clear();
    for (const one of rest) list.add(one);
  } else if (action === 1 && list.size > 0) list.add(list.get(place)!);
  else if (action === 2) list.clear();
  else if (field.listKind === "scalar") {
    const value = scalar(field.scalar, texts, chance);
    if (list.size > 0) list.set(place, value);
    else list.add(value);
  }
}

function scalar(type: ScalarType, texts: readonly string[], chance: Chance): unknown {
  const number = chance.pick(numbers);
  switch (type) {
    case ScalarType.STRING:
      return chance.pick([...texts, "", "\u0000", "__proto__"]);
    case ScalarType.BYTES:
      return Uint8Array.from({ length: chance.below(32) }, () => chance.below(256));
    case ScalarType.BOOL:
      return chance.below(2) === 1;
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return chance.pick([0, -0, 1, Number.NaN, Number.POSITIVE_INFINITY, -1e30, 1e-30]);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return number;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return BigInt.asUintN(64, number);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return Number(BigInt.asUintN(32, number));
    default:
      return Number(BigInt.asIntN(32, number));
  }
}
