import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { createOpenApi } from "../../src/gateway/openapi.ts";
import { createRoutes } from "../../src/gateway/routes.ts";
import { AccountService } from "../../src/gen/optamil/v1/accounts_pb.ts";
import { AdminService } from "../../src/gen/optamil/v1/admin_pb.ts";
import { ChatService } from "../../src/gen/optamil/v1/chat_pb.ts";
import { KeyService } from "../../src/gen/optamil/v1/keys_pb.ts";
import { ModelService } from "../../src/gen/optamil/v1/models_pb.ts";
import { RouterService } from "../../src/gen/optamil/v1/router_pb.ts";
import { UsageService } from "../../src/gen/optamil/v1/usage_pb.ts";
import { isJsonObject } from "../../src/platform/json-path.ts";
import { compileProto } from "../setup/compile-proto.ts";

const services = [
  ChatService,
  ModelService,
  UsageService,
  KeyService,
  AccountService,
  AdminService,
  RouterService,
];
const options = { serverUrl: "https://llm.example.com", version: "1.2.3" };
const document = createOpenApi(services, options);

/** What stands at a path of keys. */
function at(value: JsonValue | undefined, ...keys: string[]): JsonValue | undefined {
  return keys.reduce<JsonValue | undefined>(
    (inner, key) => (isJsonObject(inner) ? inner[key] : undefined),
    value,
  );
}

const schema = (name: string) => at(document, "components", "schemas", name);
const operation = (path: string, method: string) => at(document, "paths", path, method);

/** All values of a key, wherever it stands. */
function collect(value: JsonValue | undefined, key: string): JsonValue[] {
  if (Array.isArray(value)) return value.flatMap((one) => collect(one, key));
  if (!isJsonObject(value)) return [];
  const inner = Object.values(value).flatMap((one) => collect(one, key));
  const own = value[key];
  return own === undefined ? inner : [own, ...inner];
}

describe("the OpenAPI document", () => {
  it("is one of version 3.1 for this server", () => {
    expect(document).toMatchObject({
      openapi: "3.1.0",
      info: { title: "Optamil", version: "1.2.3" },
      servers: [{ url: "https://llm.example.com" }],
    });
  });

  it("has every route, with its path as OpenAPI writes it", () => {
    const paths = Object.entries(at(document, "paths") ?? {}).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    expect(paths).toEqual([
      "post /v1/chat/completions",
      "get /v1/models",
      "get /v1/model-health",
      "get /v1/models/{model}",
      "get /v1/usage",
      "post /v1/keys",
      "get /v1/keys",
      "delete /v1/keys/{key_id}",
      "post /v1/keys/{key_id}/rotate",
      "post /v1/accounts",
      "post /v1/sessions",
      "delete /v1/sessions",
      "get /v1/account",
      "get /v1/admin/accounts",
      "post /v1/admin/accounts",
      "post /v1/admin/invitations",
      "post /v1/admin/accounts/{account_id}/plan",
      "put /v1/admin/accounts/{account_id}/routing",
      "post /v1/admin/accounts/{account_id}/grants",
      "post /v1/admin/accounts/{account_id}/refunds",
      "get /v1/admin/accounts/{account_id}/keys",
      "delete /v1/admin/accounts/{account_id}/keys/{key_id}",
      "get /v1/admin/accounts/{account_id}/budgets",
      "put /v1/admin/accounts/{account_id}/budgets/{budget_id}",
      "delete /v1/admin/accounts/{account_id}/budgets/{budget_id}",
      "get /v1/admin/plans",
      "get /v1/admin/changes",
      "post /v1/admin/sql",
      "get /v1/admin/system",
      "get /v1/admin/audit",
      "post /v1/route",
    ]);
    // Two methods share the route of chat.
    expect(createRoutes(services).all).toHaveLength(paths.length + 1);
  });

  it("refers to nothing that it does not contain", () => {
    const references = new Set(collect(document, "$ref"));
    expect(references.size).toBeGreaterThan(20);
    for (const reference of references) {
      const [, ...keys] = String(reference).split("/");
      expect(at(document, ...keys), String(reference)).toBeDefined();
    }
  });

  it("requires no property that it does not declare", () => {
    for (const one of Object.values(at(document, "components", "schemas") ?? {})) {
      const required = at(one, "required");
      for (const key of Array.isArray(required) ? required : []) {
        expect(at(one, "properties", String(key)), String(key)).toBeDefined();
      }
    }
  });

  it("names each operation once", () => {
    const ids = collect(document, "operationId");
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("takes a key as bearer token or in a header, and none where the method is public", () => {
    expect(at(document, "components", "securitySchemes")).toEqual({
      bearer: { type: "http", scheme: "bearer" },
      apiKey: { type: "apiKey", in: "header", name: "X-API-Key" },
      session: { type: "apiKey", in: "cookie", name: "optamil_session" },
    });
    expect(operation("/v1/usage", "get")).toMatchObject({
      security: [{ bearer: [] }, { apiKey: [] }, { session: [] }],
      description: "Needs a key with scope `usage:read`.",
    });
    expect(at(operation("/v1/accounts", "post"), "security")).toEqual([]);
    expect(at(operation("/v1/admin/plans", "get"), "security")).toEqual([
      { bearer: [] },
      { apiKey: [] },
    ]);
  });

  it("has the one form of all refusals", () => {
    expect(at(operation("/v1/usage", "get"), "responses", "4XX")).toEqual({
      $ref: "#/components/responses/Error",
    });
    expect(at(schema("Error"), "properties", "error")).toMatchObject({
      required: ["message", "type", "param", "code"],
      properties: { param: { type: ["string", "null"] }, code: { type: "integer" } },
    });
  });
});

describe("the chat operation", () => {
  const chat = operation("/v1/chat/completions", "post");

  it("answers with JSON or with events, which have a schema of their own", () => {
    expect(chat).toMatchObject({
      operationId: "createChatCompletion",
      summary: "Create chat completion",
      tags: ["Chat"],
    });
    expect(at(chat, "responses", "200", "content")).toEqual({
      "application/json": { schema: { $ref: "#/components/schemas/CreateChatCompletionResponse" } },
      "text/event-stream": {
        schema: {
          type: "object",
          required: ["data"],
          properties: {
            data: {
              type: "string",
              anyOf: [
                { description: "The last event.", const: "[DONE]" },
                {
                  description: "A message, or the refusal that ends the stream.",
                  contentMediaType: "application/json",
                  contentSchema: {
                    anyOf: [
                      { $ref: "#/components/schemas/StreamChatCompletionResponse" },
                      { $ref: "#/components/schemas/Error" },
                    ],
                  },
                },
              ],
            },
          },
        },
      },
    });
  });

  it("takes OpenAI's 37 fields, the router's options and any other", () => {
    const request = schema("CreateChatCompletionRequest");
    expect(Object.keys(at(request, "properties") ?? {})).toHaveLength(38);
    expect(request).toMatchObject({
      required: ["model", "messages"],
      additionalProperties: true,
      description: "Rules: set either max_tokens or max_completion_tokens, not both.",
    });
  });

  it.each<[string, string, JsonObject]>([
    ["CreateChatCompletionRequest", "model", { type: "string", minLength: 1, maxLength: 256 }],
    [
      "CreateChatCompletionRequest",
      "temperature",
      { type: ["number", "null"], minimum: 0, maximum: 2 },
    ],
    ["CreateChatCompletionRequest", "n", { type: ["integer", "null"], minimum: 1, maximum: 128 }],
    [
      "CreateChatCompletionRequest",
      "messages",
      {
        type: "array",
        items: { $ref: "#/components/schemas/ChatMessage" },
        minItems: 1,
        maxItems: 16384,
      },
    ],
    [
      "CreateChatCompletionRequest",
      "logit_bias",
      {
        type: ["object", "null"],
        additionalProperties: { type: "number", minimum: -100, maximum: 100 },
      },
    ],
    [
      "CreateChatCompletionRequest",
      "metadata",
      { type: ["object", "null"], additionalProperties: { type: "string" }, maxProperties: 16 },
    ],
    [
      "CreateChatCompletionRequest",
      "stop",
      { anyOf: [{ $ref: "#/components/schemas/Stop" }, { type: "null" }] },
    ],
    [
      "CreateChatCompletionRequest",
      "seed",
      {
        anyOf: [
          {
            type: "integer",
            minimum: Number.MIN_SAFE_INTEGER,
            maximum: Number.MAX_SAFE_INTEGER,
          },
          { type: "string", pattern: "^-?(0|[1-9][0-9]{0,17})$" },
          { type: "null" },
        ],
      },
    ],
    ["ChatAudio", "voice", {}],
    ["JsonSchemaFormat", "name", { type: "string", pattern: "^[A-Za-z0-9_-]{1,64}$" }],
    ["ChunkChoice", "finish_reason", { type: ["string", "null"] }],
    ["ChunkChoice", "index", { type: "integer", minimum: 0, maximum: 4294967295 }],
    ["GetUsageResponse", "credits_used", { type: "number" }],
    ["SignUpRequest", "email", { type: "string", maxLength: 254, format: "email" }],
  ])("%s.%s says its type and its rules", (name, key, expected) => {
    expect(at(schema(name), "properties", key)).toEqual(expected);
  });

  it("has unions without tags", () => {
    expect(schema("Stop")).toEqual({
      oneOf: [{ type: "string" }, { type: "array", items: { type: "string" }, maxItems: 4 }],
    });
    expect(schema("ToolChoice")).toEqual({
      oneOf: [{ type: "string", enum: ["none", "auto", "required"] }, { type: "object" }],
    });
  });

  it("has the keys of an answer that OpenAI always sends", () => {
    expect(at(schema("ChunkChoice"), "required")).toEqual([
      "index",
      "delta",
      "logprobs",
      "finish_reason",
    ]);
  });
});

describe("the other operations", () => {
  it("have path and query parameters", () => {
    expect(at(operation("/v1/keys/{key_id}", "delete"), "parameters")).toEqual([
      { name: "key_id", in: "path", required: true, schema: { type: "string", format: "uuid" } },
      {
        name: "reason",
        in: "query",
        schema: { type: "string", enum: ["", "unused", "rotated", "leaked"] },
      },
    ]);
  });

  it("refuse keys that a request without extra does not declare", () => {
    expect(at(schema("CreateKeyRequest"), "additionalProperties")).toBe(false);
    expect(at(schema("CreateKeyResponse"), "additionalProperties")).toBeUndefined();
  });

  it("flatten nested parameters, and describe a body that is one field", async () => {
    const { service } = await compileProto(`
      enum Level { LEVEL_UNSPECIFIED = 0; LEVEL_LOW = 1; }
      message Filter { repeated Level levels = 1; google.protobuf.Timestamp since = 2; Filter and = 3; }
      message Item { string id = 1; bytes raw = 2; google.protobuf.Duration lasting = 3;
        google.protobuf.UInt64Value count = 4; Item next = 5; map<string, Item> by_name = 6; }
      message In { Item item = 1; Filter filter = 2; repeated string tags = 3; map<string, string> map = 4; }
      service Test { rpc PutItem(In) returns (Item) {
        option (google.api.http) = {put: "/items/{filter.since}" body: "item"};
        option (optamil.options.v1.access) = {public: true};
      } }`);
    const own = createOpenApi([service("Test")], options);
    const put = at(own, "paths", "/items/{filter.since}", "put");
    expect(at(put, "parameters")).toEqual([
      {
        name: "filter.since",
        in: "path",
        required: true,
        schema: { type: "string", format: "date-time" },
      },
      {
        name: "filter.levels",
        in: "query",
        schema: { type: "array", items: { type: "string", enum: ["unspecified", "low"] } },
      },
      { name: "tags", in: "query", schema: { type: "array", items: { type: "string" } } },
    ]);
    expect(at(put, "requestBody", "content", "application/json", "schema")).toEqual({
      $ref: "#/components/schemas/Item",
    });
    const item = { anyOf: [{ $ref: "#/components/schemas/Item" }, { type: "null" }] };
    expect(at(own, "components", "schemas", "Item", "properties")).toMatchObject({
      raw: { type: ["string", "null"], contentEncoding: "base64" },
      count: { anyOf: [{ type: "integer", minimum: 0 }, { type: "string" }, { type: "null" }] },
      next: item,
      by_name: { additionalProperties: { $ref: "#/components/schemas/Item" } },
    });
  });
});
