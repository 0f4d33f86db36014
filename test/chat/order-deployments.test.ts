import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { affinityOf, orderDeployments } from "../../src/chat/order-deployments.ts";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";

const deployments = [1, 2, 7].map((weight) => ({
  ...{ model: "m", upstreamModel: "m-1", live: true },
  ...{ provider: `provider-${weight}`, weight },
}));
const affinities = Array.from({ length: 20_000 }, (_, number) => `conversation ${number}`);

function firstOf(affinity: string, among = deployments): string | undefined {
  return orderDeployments(among, affinity)[0]?.provider;
}

function request(texts: readonly string[], change: Record<string, string> = {}) {
  return create(CreateChatCompletionRequestSchema, {
    ...change,
    messages: texts.map((value) => ({
      role: "user",
      content: { kind: { case: "text" as const, value } },
    })),
  });
}

describe("the first deployment", () => {
  it("of one affinity is always the same, and over many each has its share by weight", () => {
    const counts = new Map<string | undefined, number>();
    for (const affinity of affinities) {
      const first = firstOf(affinity);
      expect(first === firstOf(affinity)).toBe(true);
      counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    for (const { provider, weight } of deployments) {
      const share = (counts.get(provider) ?? 0) / affinities.length;
      expect(Math.abs(share - weight / 10)).toBeLessThan(0.01);
    }
  });

  it("stays for all whose deployment is still there when another goes", () => {
    const [, ...rest] = deployments;
    const moved = affinities.filter(
      (affinity) =>
        firstOf(affinity) !== "provider-1" && firstOf(affinity) !== firstOf(affinity, rest),
    );
    expect(moved).toEqual([]);
  });
});

describe("the affinity of a request", () => {
  it("is its prompt_cache_key, else its safety_identifier, else its user", () => {
    const user = { user: "u" };
    const named = { ...user, safetyIdentifier: "s" };
    expect(affinityOf(request(["a"], { ...named, promptCacheKey: "k" }))).toBe("k");
    expect(affinityOf(request(["a"], named))).toBe("s");
    expect(affinityOf(request(["a"], user))).toBe("u");
  });

  it("is otherwise how the conversation opens, however it goes on", () => {
    const opening = affinityOf(request(["You are a pirate.", "Hello"]));
    expect(affinityOf(request(["You are a pirate.", "Hello", "Ahoy", "And now?"]))).toBe(opening);
    expect(affinityOf(request(["You are a pirate.", "Bye"]))).not.toBe(opening);
  });
});
