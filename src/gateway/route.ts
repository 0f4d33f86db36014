// Reads the REST routes of a method from its options, and refuses at start what the REST door cannot do.
import {
  type DescField,
  type DescMethod,
  getOption,
  hasOption,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { http } from "../gen/google/api/annotations_pb.ts";
import type { HttpRule } from "../gen/google/api/http_pb.ts";
import { access, type ErrorStyle, rest } from "../gen/optamil/options/v1/options_pb.ts";
import { type JsonCodec, jsonCodec } from "../platform/json.ts";
import type { DescList } from "../platform/json-shape.ts";
import { type Parameter, pathParameter, queryParameter } from "./parameters.ts";
import { parseTemplate, type Template } from "./template.ts";

/** One way to reach a method by REST. */
export type Route = {
  readonly method: DescMethod;
  /** GET, POST, PUT, PATCH or DELETE. */
  readonly httpMethod: string;
  /** The path template as it stands in the proto file. */
  readonly path: string;
  readonly template: Template;
  /** What the path sets; one for each of the template's variables, in their order. */
  readonly parameters: readonly Parameter[];
  /** Which part of the request the body is: all, one field or none. */
  readonly body: "all" | DescField | "none";
  /** Name of the boolean body field that picks this route among those of one path; empty: it needs none. */
  readonly when: string;
  /**
   * Text of the last server-sent event, and the key of the messages that names events; empty where there is none.
   * Undefined if the answer is no such stream.
   */
  readonly sse: { readonly done: string; readonly event: string } | undefined;
  /** The repeated field of a stream's messages whose items are lines; undefined if the answer is no such stream. */
  readonly rows: DescList | undefined;
  /** The shape of its refusals. */
  readonly errors: ErrorStyle;
  /** The codec of the request. */
  readonly codec: JsonCodec<Message>;
};

/**
 * The routes of a method: none if it has no `google.api.http` option. Throws an Error that names the method for a
 * method without `access`, and for every annotation that cannot be served.
 */
export function routesOf(method: DescMethod): Route[] {
  try {
    checkAccess(method);
    if (!hasOption(method, http)) return [];
    const rule = getOption(method, http);
    const rules = [rule, ...rule.additionalBindings];
    if (rule.additionalBindings.some((inner) => inner.additionalBindings.length > 0)) {
      throw new Error("additional_bindings cannot have additional_bindings");
    }
    return rules.map((one) => toRoute(method, one));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${method.parent.typeName}.${method.name}: ${reason}`, { cause });
  }
}

function checkAccess(method: DescMethod): void {
  const { public: isPublic, scope } = getOption(method, access);
  if (isPublic && scope !== "") throw new Error("option access says both public and scope");
  if (!isPublic && scope === "") throw new Error("option access is missing");
}

function toRoute(method: DescMethod, rule: HttpRule): Route {
  const { case: kind, value: path } = rule.pattern;
  if (kind === undefined) throw new Error("google.api.http names no path");
  if (kind === "custom") throw new Error("custom kinds are not supported");
  if (rule.responseBody !== "") throw new Error("response_body is not supported");
  for (const { typeName } of [method.input, method.output]) {
    if (typeName === "google.api.HttpBody") throw new Error("HttpBody is not supported");
  }
  if (kind === "get" && rule.body !== "") throw new Error("GET cannot have a body");
  const template = parseTemplate(path);
  return {
    method,
    httpMethod: kind.toUpperCase(),
    path,
    template,
    parameters: template.variables.map((variable) => pathParameter(method.input, variable.path)),
    body: toBody(method, rule.body),
    when: toWhen(method, rule.body),
    sse: toSse(method),
    rows: toRows(method),
    errors: getOption(method, rest).errors,
    codec: jsonCodec(method.input),
  };
}

function toBody(method: DescMethod, body: string): Route["body"] {
  if (body === "") return "none";
  if (body === "*") return "all";
  const field = method.input.fields.find(({ name }) => name === body);
  if (field === undefined)
    throw new Error(`body names '${body}', which is no field of the request`);
  if (field.fieldKind === "message") return field;
  throw new Error(`body names '${body}', which is no message`);
}

function toWhen(method: DescMethod, body: string): string {
  const { when } = getOption(method, rest);
  if (when === "") return "";
  const field = queryParameter(method.input, when)?.field;
  const isBoolean = field?.fieldKind === "scalar" && field.scalar === ScalarType.BOOL;
  if (body === "*" && isBoolean) return when;
  throw new Error(`when names '${when}', which is no boolean of the body`);
}

function toSse(method: DescMethod): Route["sse"] {
  const { sse, done, event, rows } = getOption(method, rest);
  switch (method.methodKind) {
    case "unary":
      if (sse || done !== "" || event !== "" || rows !== "") {
        throw new Error("sse, done, event and rows are for server streams");
      }
      return undefined;
    case "server_streaming": {
      if (sse === (rows !== "")) throw new Error("a server stream needs option rest.sse, or rows");
      if (!sse) return undefined;
      const named = event === "" || queryParameter(method.output, event) !== undefined;
      if (!named) throw new Error(`event names '${event}', which is no field of the answer`);
      return { done, event };
    }
    default:
      throw new Error("REST has no client streams");
  }
}

function toRows(method: DescMethod): DescList | undefined {
  const { rows } = getOption(method, rest);
  if (rows === "") return undefined;
  const field = method.output.fields.find(({ name }) => name === rows);
  if (field?.fieldKind === "list" && field.message !== undefined) return field;
  throw new Error(`rows names '${rows}', which is no repeated message of the answer`);
}
