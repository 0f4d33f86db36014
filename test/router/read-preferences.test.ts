import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  type CreateChatCompletionRequest,
  CreateChatCompletionRequestSchema,
  type RouterOptions,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import { readPreferences } from "../../src/router/read-preferences.ts";

describe("what a caller asks of the router", () => {
  it("is the default quality and no bound when nothing is said", () => {
    expect(readPreferences(ask({}), undefined)).toEqual({ quality: 0.8, prefer: [], avoid: [] });
  });

  it("takes the quality of the header, and the body's before it", () => {
    expect(readPreferences(ask({}), 0.2).quality).toBe(0.2);
    expect(readPreferences(ask({ quality: 0 }), 0.2).quality).toBe(0);
  });

  it("takes the bounds of the body", () => {
    const bounds = {
      maxCostUsd: 0.5,
      prefer: ["a"],
      avoid: ["b"],
      tierMin: "mid",
      tierMax: "ultra",
    };
    expect(readPreferences(ask(bounds), undefined)).toEqual({ quality: 0.8, ...bounds });
  });
});

type Asked = Partial<Omit<RouterOptions, "$typeName" | "$unknown">>;

function ask(optamil: Asked): CreateChatCompletionRequest {
  return create(CreateChatCompletionRequestSchema, { model: "auto", optamil });
}
