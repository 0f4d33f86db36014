/** Compiles proto text of a test against the project's own proto files, options included. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import {
  createFileRegistry,
  type DescMessage,
  type DescService,
  type FileRegistry,
  fromBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { run } from "./process.ts";
import { projectRoot } from "./runtime.ts";

const header = `syntax = "proto3";
package test.v1;
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "optamil/options/v1/options.proto";
`;

/** The types of a file in package `test.v1`; all imports that tests need are there already. */
export type TestProto = {
  /** A message by its name without the package. */
  readonly message: (name: string) => DescMessage;
  /** A service by its name without the package. */
  readonly service: (name: string) => DescService;
};

/** Compiles the body of a proto3 file: file options, messages, enums and services. */
export async function compileProto(body: string): Promise<TestProto> {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await build(body)));
  return {
    message: (name) => found(registry, name, registry.getMessage(`test.v1.${name}`)),
    service: (name) => found(registry, name, registry.getService(`test.v1.${name}`)),
  };
}

function found<T>(registry: FileRegistry, name: string, type: T | undefined): T {
  if (type !== undefined) return type;
  throw new Error(`test.v1.${name} is not in ${[...registry.files].map((file) => file.name)}`);
}

async function build(body: string): Promise<Uint8Array> {
  // A module of the same workspace, so that its imports are found; ignored by git and by all tools.
  const cache = join(projectRoot, "node_modules/.cache");
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "test-proto-"));
  try {
    await mkdir(join(folder, "module/test/v1"), { recursive: true });
    await writeFile(join(folder, "module/test/v1/test.proto"), header + body);
    const module = relative(projectRoot, join(folder, "module"));
    const config = { version: "v2", modules: [{ path: "proto" }, { path: module }] };
    const image = join(folder, "image.binpb");
    const args = ["build", "--config", JSON.stringify(config), ".", "-o", image];
    const buf = join(projectRoot, "node_modules/.bin/buf");
    const { code, stderr } = await run(buf, args, { cwd: projectRoot });
    if (code !== 0) throw new Error(`buf build failed:\n${stderr}`);
    return await readFile(image);
  } finally {
    await rm(folder, { recursive: true });
  }
}
