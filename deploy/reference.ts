// What the docs show and the sources know: the services with their comments, the errors, the plans, the router's report.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  createFileRegistry,
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  getOption,
  ScalarType,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { getComments } from "@bufbuild/protoplugin";
import { Code } from "@connectrpc/connect";
import { lexer } from "marked";
import type { Plugin } from "vite";
import { createPlans } from "../src/catalogue/plans.ts";
import { tiers } from "../src/catalogue/tiers.ts";
import type {
  MessageReference,
  Reference,
  ServiceReference,
} from "../src/console/docs/reference.ts";
import { access } from "../src/gen/optamil/options/v1/options_pb.ts";
import { errorTable } from "../src/platform/errors.ts";

/** Bytes of the compiled protos at most; today's have a tenth of it. */
const imageBytesMax = 16 * 1024 * 1024;

/** Puts the reference into the console's module docs/reference.ts, which without it is empty. */
export function referenceModule(root: string): Plugin {
  return {
    name: "optamil-reference",
    load: {
      filter: { id: /\/docs\/reference\.ts$/ },
      async handler() {
        const json = JSON.stringify(await readReference(root));
        // A text that is parsed is loaded faster than an object of its size, and cannot be code.
        return `export const reference = JSON.parse(${JSON.stringify(json)});`;
      },
    },
  };
}

async function readReference(root: string): Promise<Reference> {
  const { services, messages } = await readApi(root);
  return {
    services,
    messages,
    errors: Object.entries(errorTable).map(([name, { status, type, connect, retry }]) => ({
      name,
      status,
      type,
      connect: toSnake(Code[connect] ?? ""),
      retry,
    })),
    plans: createPlans().all.map(({ creditsPerMonthMicro: micro, ...plan }) => ({
      ...plan,
      creditsPerMonth: micro === undefined ? undefined : Number(micro / 1_000_000n),
    })),
    tiers: Object.values(tiers).map((tier) => ({
      name: tier.name,
      priceUsd: Number(tier.priceMicroUsdPerMillionTokens) / 1_000_000,
      bestFor: tier.bestFor,
    })),
    routerReport: parseMarkdown(await readFile(join(root, "docs/router.md"), "utf8")),
  };
}

/** The parts of a Markdown text, without the text that each was read from. */
function parseMarkdown(text: string): Reference["routerReport"] {
  const dropRaw = (name: string, value: unknown) => (name === "raw" ? undefined : value);
  return JSON.parse(JSON.stringify(lexer(text), dropRaw));
}

/** The services of the API and every message that they use, with the comments of their protos. */
async function readApi(root: string): Promise<Pick<Reference, "services" | "messages">> {
  const buf = join(root, "node_modules/.bin/buf");
  const { stdout } = await promisify(execFile)(buf, ["build", "--output", "-"], {
    cwd: root,
    encoding: "buffer",
    maxBuffer: imageBytesMax,
  });
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, stdout));
  const services: ServiceReference[] = [];
  const messages: MessageReference[] = [];
  for (const type of registry) {
    if (!type.typeName.startsWith("optamil.v1.")) continue;
    if (type.kind === "service") services.push(toService(type));
    if (type.kind === "message") messages.push(toMessage(type));
  }
  const used = reachable(services, messages);
  return {
    services: services.toSorted((one, other) => one.name.localeCompare(other.name)),
    messages: messages.filter(({ name }) => used.has(name)),
  };
}

function toService(service: DescService): ServiceReference {
  return {
    name: service.name,
    comment: commentOf(service),
    methods: service.methods.map((method) => ({
      name: method.name,
      comment: commentOf(method),
      input: method.input.name,
      output: method.output.name,
      streams: method.methodKind === "server_streaming",
      scope: getOption(method, access).scope,
    })),
  };
}

function toMessage(message: DescMessage): MessageReference {
  return {
    name: message.name,
    comment: commentOf(message),
    fields: message.fields.map((field) => ({
      name: field.name,
      type: typeOf(field),
      comment: commentOf(field),
    })),
  };
}

function commentOf(desc: DescService | DescMethod | DescMessage | DescField): string {
  const { leading = "" } = getComments(desc);
  const lines = leading.split("\n").map((line) => line.trim());
  return lines
    .filter((line) => !line.startsWith("buf:lint:"))
    .join(" ")
    .trim();
}

function typeOf(field: DescField): string {
  switch (field.fieldKind) {
    case "scalar":
      return scalarName(field.scalar);
    case "message":
      return field.message.name;
    case "enum":
      return field.enum.name;
    case "list":
      return `repeated ${field.message?.name ?? (field.scalar === undefined ? "enum" : scalarName(field.scalar))}`;
    case "map":
      return `map<${scalarName(field.mapKey)}, ${field.message?.name ?? "string"}>`;
  }
}

function scalarName(scalar: ScalarType): string {
  return ScalarType[scalar].toLowerCase();
}

function toSnake(name: string): string {
  return name.replace(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}

/** Names of the messages that the services use, by way of others too. */
function reachable(
  services: readonly ServiceReference[],
  messages: readonly MessageReference[],
): ReadonlySet<string> {
  const byName = new Map(messages.map((message) => [message.name, message]));
  const used = new Set<string>();
  const visit = (name: string) => {
    const message = byName.get(name);
    if (message === undefined || used.has(name)) return;
    used.add(name);
    for (const { type } of message.fields) for (const word of type.split(/\W+/)) visit(word);
  };
  for (const { methods } of services) {
    for (const { input, output } of methods) for (const name of [input, output]) visit(name);
  }
  return used;
}
