/** What our messages may be made of, held against the descriptors that their code was generated with. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { create, createFileRegistry, type DescField, type DescFile, type DescMessage } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { file_holdfast_v2_forge } from "../../src/forge/gen/holdfast/v2/forge_pb.ts";
import { file_holdfast_v2_blueprint } from "../../src/tensor/gen/holdfast/v2/blueprint_pb.ts";

const root = join(import.meta.dirname, "../..");
const files: readonly DescFile[] = [file_holdfast_v2_blueprint, file_holdfast_v2_forge];

/** Names that speak of time: their fields are Timestamp or Duration, never a number with a unit to be guessed. */
const time = /(^|_)(at|time|timeout|instant|duration|deadline|elapsed|ms|us|ns|millis|seconds|minutes|hours|ttl)($|_)/;
const timeTypes = ["google.protobuf.Timestamp", "google.protobuf.Duration"];

function messagesOf({ messages, nestedMessages }: { messages?: DescMessage[]; nestedMessages?: DescMessage[] }) {
  const own = messages ?? nestedMessages ?? [];
  return own.flatMap((message): DescMessage[] => [message, ...messagesOf(message)]);
}

function fieldFaults(field: DescField): string[] {
  const where = `${field.parent.typeName}.${field.name}`;
  if (field.fieldKind === "map") return [`${where} is a map: the order of its entries is not fixed`];
  const faults: string[] = [];
  const inner = field.fieldKind === "message" || field.fieldKind === "list" ? field.message?.typeName : undefined;
  if (time.test(field.name) && !timeTypes.includes(inner ?? ""))
    faults.push(`${where} is a time, but no well-known type`);
  if (inner && !inner.startsWith("holdfast.v2.") && !timeTypes.includes(inner)) faults.push(`${where} is a ${inner}`);
  return faults;
}

function faultsOf(file: DescFile): string[] {
  const faults = messagesOf(file).flatMap(({ fields }) => fields.flatMap(fieldFaults));
  if (file.proto.syntax !== "proto3") faults.push(`${file.name} is not proto3`);
  if (file.proto.package !== "holdfast.v2") faults.push(`${file.name} is in package ${file.proto.package}`);
  if (file.extensions.length > 0 || messagesOf(file).some(({ nestedExtensions }) => nestedExtensions.length > 0))
    faults.push(`${file.name} has extensions`);
  return faults;
}

describe("the messages", () => {
  it("F1: are those of every .proto file of ours", () => {
    const sources = readdirSync(join(root, "proto/holdfast"), { recursive: true, encoding: "utf8" });
    const named = sources.filter((name) => name.endsWith(".proto")).map((name) => `holdfast/${name.slice(0, -6)}`);
    expect(named.sort()).toEqual(files.map(({ name }) => name).sort());
    expect(files.flatMap(messagesOf).length).toBeGreaterThan(20);
  });

  it("F1: are proto3 of version v2 with no map, no foreign type, and times as Timestamp and Duration", () => {
    expect(files.flatMap(faultsOf)).toEqual([]);
  });

  it("F1: are generated from the .proto files as they are: every message and field, by name and number", () => {
    for (const file of files) {
      const source = readFileSync(join(root, "proto", `${file.name}.proto`), "utf8").replaceAll(/\/\/.*/g, "");
      const written = [...source.matchAll(/\b(\w+)\s*=\s*(\d+);/g)].map(([, name, number]) => `${name} = ${number}`);
      const messages = [...source.matchAll(/\bmessage\s+(\w+)/g)].map(([, name]) => name);
      expect(
        messagesOf(file)
          .map(({ name }) => name)
          .sort(),
      ).toEqual(messages.sort());
      const known = messagesOf(file).flatMap(({ fields }) => fields.map(({ name, number }) => `${name} = ${number}`));
      expect(known.sort()).toEqual(written.sort());
    }
  });

  it("would be refused with a map, a number for a time, a foreign type or another package", () => {
    const optional = FieldDescriptorProto_Label.OPTIONAL;
    const { INT64, MESSAGE, STRING } = FieldDescriptorProto_Type;
    const bad = create(FileDescriptorProtoSchema, {
      name: "bad.proto",
      package: "holdfast.v1",
      syntax: "proto3",
      messageType: [
        {
          name: "Bad",
          field: [
            { name: "timeout_ms", number: 1, label: optional, type: INT64 },
            { name: "at", number: 2, label: optional, type: STRING },
            {
              name: "by_name",
              number: 3,
              label: FieldDescriptorProto_Label.REPEATED,
              type: MESSAGE,
              typeName: ".holdfast.v1.Bad.ByNameEntry",
            },
            { name: "other", number: 4, label: optional, type: MESSAGE, typeName: ".holdfast.v1.Bad" },
          ],
          nestedType: [
            {
              name: "ByNameEntry",
              options: { mapEntry: true },
              field: [
                { name: "key", number: 1, label: optional, type: STRING },
                { name: "value", number: 2, label: optional, type: STRING },
              ],
            },
          ],
        },
      ],
    });
    const [file] = [...createFileRegistry(bad, () => undefined).files];
    expect(faultsOf(file!)).toEqual([
      "holdfast.v1.Bad.timeout_ms is a time, but no well-known type",
      "holdfast.v1.Bad.at is a time, but no well-known type",
      "holdfast.v1.Bad.by_name is a map: the order of its entries is not fixed",
      "holdfast.v1.Bad.other is a holdfast.v1.Bad",
      "bad is in package holdfast.v1",
    ]);
  });

  it("F1: come from a tool-chain of fixed versions", () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      readonly dependencies: Readonly<Record<string, string>>;
      readonly devDependencies: Readonly<Record<string, string>>;
    };
    const tools = Object.entries({ ...dependencies, ...devDependencies }).filter(([name]) =>
      name.startsWith("@bufbuild/"),
    );
    expect(tools).toHaveLength(3);
    expect(tools.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
