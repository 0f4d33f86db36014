// Writes the OpenAPI document from the same descriptors that make the routes.
//
// Source: OpenAPI Specification 3.1.1.
import {
  type DescField,
  type DescMessage,
  type DescService,
  getOption,
  type JsonObject,
} from "@bufbuild/protobuf";
import { access, ErrorStyle } from "../gen/optamil/options/v1/options_pb.ts";
import { ownerScopes } from "../keys/scopes.ts";
import { errorTable } from "../platform/errors.ts";
import { fieldsByKey, jsonKey, jsonOptions } from "../platform/json-shape.ts";
import { createSchemas, type Schemas } from "./openapi-schema.ts";
import { isText } from "./parameters.ts";
import { createRoutes, type Route } from "./routes.ts";
import { cookieName } from "./session-cookie.ts";

/** What the document says of the server. */
export type OpenApiOptions = {
  /** Base URL of the server, such as https://llm.example.com; `/` for the one that serves the document. */
  readonly serverUrl: string;
  /** Version of the program. */
  readonly version: string;
};

/** The OpenAPI 3.1 document of the REST routes of services. Throws the errors of `createRoutes`. */
export function createOpenApi(
  services: readonly DescService[],
  { serverUrl, version }: OpenApiOptions,
): JsonObject {
  const routes = createRoutes(services).all;
  const schemas = createSchemas(routes.map(({ method }) => method.input));
  const paths = createPaths(routes, schemas);
  return {
    openapi: "3.1.0",
    info: { title: "Optamil", version },
    servers: [{ url: serverUrl }],
    paths,
    components: {
      schemas: { ...schemas.components, Error: errorSchema, AnthropicError: anthropicErrorSchema },
      responses: { Error: errorResponse("Error"), AnthropicError: errorResponse("AnthropicError") },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        apiKey: { type: "apiKey", in: "header", name: "X-API-Key" },
        session: { type: "apiKey", in: "cookie", name: cookieName },
      },
    },
  };
}

/** A session has an owner's scopes. */
function sessionFor(scope: string): JsonObject[] {
  return ownerScopes.some((owned) => owned === scope) ? [{ session: [] }] : [];
}

const errorSchema: JsonObject = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "param", "code"],
      properties: {
        message: { type: "string" },
        type: { type: "string", enum: [...new Set(Object.values(errorTable).map((r) => r.type))] },
        param: { type: ["string", "null"] },
        code: { type: "integer" },
      },
    },
  },
};

const anthropicErrorSchema: JsonObject = {
  type: "object",
  required: ["type", "error", "request_id"],
  properties: {
    type: { const: "error" },
    error: {
      type: "object",
      required: ["type", "message"],
      properties: {
        type: {
          type: "string",
          enum: [...new Set(Object.values(errorTable).map((r) => r.anthropicType))],
        },
        message: { type: "string" },
      },
    },
    request_id: { type: "string" },
  },
};

function errorResponse(name: ErrorName): JsonObject {
  const schema = { $ref: `#/components/schemas/${name}` };
  return { description: "A refusal.", content: { "application/json": { schema } } };
}

type ErrorName = "Error" | "AnthropicError";

function errorNameOf({ errors }: Route): ErrorName {
  return errors === ErrorStyle.ANTHROPIC ? "AnthropicError" : "Error";
}

function createPaths(routes: readonly Route[], schemas: Schemas): JsonObject {
  const paths: JsonObject = {};
  const groups = Map.groupBy(routes, ({ path }) => path.replace(/=[^}]*\}/g, "}"));
  for (const [path, group] of groups) {
    const operations: JsonObject = {};
    for (const [method, alternatives] of Map.groupBy(group, ({ httpMethod }) => httpMethod)) {
      operations[method.toLowerCase()] = createOperation(alternatives, schemas);
    }
    paths[path] = operations;
  }
  return paths;
}

/** One operation for all routes that share path and method: their answers differ in the media type. */
function createOperation(alternatives: readonly Route[], schemas: Schemas): JsonObject {
  const main = alternatives.find(({ when }) => when === "") ?? alternatives[0];
  if (main === undefined) return {};
  const { method, body } = main;
  const { scope } = getOption(method, access);
  const parameters = [...pathParameters(main, schemas), ...queryParameters(main, schemas)];
  const notes = alternatives.flatMap(streamNote);
  if (scope !== "") notes.push(`Needs a key with scope \`${scope}\`.`);
  return {
    operationId: method.localName,
    summary: toWords(method.name),
    ...(notes.length > 0 && { description: notes.join(" ") }),
    tags: [method.parent.name.replace(/Service$/, "")],
    security: scope === "" ? [] : [{ bearer: [] }, { apiKey: [] }, ...sessionFor(scope)],
    ...(parameters.length > 0 && { parameters }),
    ...(body !== "none" && {
      requestBody: {
        required: true,
        content: {
          "application/json": {
            schema: body === "all" ? schemas.refer(method.input) : schemas.field(body),
          },
        },
      },
    }),
    responses: {
      200: { description: "The answer.", content: createContent(alternatives, schemas) },
      "4XX": { $ref: `#/components/responses/${errorNameOf(main)}` },
      "5XX": { $ref: `#/components/responses/${errorNameOf(main)}` },
    },
  };
}

function streamNote({ when, sse, rows }: Route): string[] {
  if (rows !== undefined) return ["The answer is a stream of lines."];
  if (sse === undefined) return [];
  const condition = when === "" ? "The answer" : `With \`${when}: true\` the answer`;
  const end = sse.done === "" ? "" : ` that ends with \`${sse.done}\``;
  return [`${condition} is a stream of server-sent events${end}.`];
}

function createContent(alternatives: readonly Route[], schemas: Schemas): JsonObject {
  const content: JsonObject = {};
  for (const route of alternatives) {
    const { method, sse, rows } = route;
    if (rows?.message !== undefined) {
      // One line, not the whole stream: OpenAPI 3.1 has no words for a sequence.
      content["application/x-ndjson"] = { schema: schemas.refer(rows.message) };
      content["text/csv"] = { schema: { type: "string" } };
    } else if (sse === undefined)
      content["application/json"] = { schema: schemas.refer(method.output) };
    else content["text/event-stream"] = { schema: eventSchema(route, sse, schemas) };
  }
  return content;
}

/** One server-sent event, not the whole stream: OpenAPI 3.1 has no words for a sequence. */
function eventSchema(
  route: Route,
  { done, event }: { readonly done: string; readonly event: string },
  schemas: Schemas,
): JsonObject {
  const error = { $ref: `#/components/schemas/${errorNameOf(route)}` };
  const message = {
    description: "A message, or the refusal that ends the stream.",
    contentMediaType: "application/json",
    contentSchema: { anyOf: [schemas.refer(route.method.output), error] },
  };
  const end = { description: "The last event.", const: done };
  return {
    type: "object",
    required: ["data", ...(event === "" ? [] : ["event"])],
    properties: {
      ...(event !== "" && { event: { type: "string" } }),
      data: { type: "string", ...(done === "" ? message : { anyOf: [end, message] }) },
    },
  };
}

function pathParameters({ parameters }: Route, schemas: Schemas): JsonObject[] {
  return parameters.map(({ keys, field }) => ({
    name: keys.join("."),
    in: "path",
    required: true,
    schema: schemas.field(field),
  }));
}

function queryParameters({ body, parameters, method }: Route, schemas: Schemas): JsonObject[] {
  if (body === "all") return [];
  const taken = new Set(parameters.map(({ keys }) => keys.join(".")));
  const inBody = body === "none" ? "" : `${jsonKey(body)}.`;
  return flatten(method.input, "", new Set())
    .filter(([name]) => !taken.has(name) && (inBody === "" || !name.startsWith(inBody)))
    .map(([name, field]) => ({
      name,
      in: "query",
      ...(jsonOptions(field).required && !name.includes(".") && { required: true }),
      schema: schemas.field(field),
    }));
}

/** The fields that a query can set, by name: those of singular messages under `outer.inner`. */
function flatten(
  message: DescMessage,
  prefix: string,
  outer: ReadonlySet<DescMessage>,
): [string, DescField][] {
  const seen = new Set([...outer, message]);
  return [...fieldsByKey(message)].flatMap(([key, field]): [string, DescField][] => {
    if (isText(field)) return [[prefix + key, field]];
    if (field.fieldKind !== "message" || seen.has(field.message)) return [];
    return flatten(field.message, `${prefix}${key}.`, seen);
  });
}

/** `CreateChatCompletion` as `Create chat completion`. */
function toWords(name: string): string {
  const words = name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
