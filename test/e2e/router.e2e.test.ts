import { describe, expect, it } from "vitest";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

const gateway = await startGateway();

const easy = "Translate into French: the cat sleeps.";
const hard = "Prove that $x^n + y^n = z^n$ has no solution in positive integers for $n = 4$.";

describe("the router's decisions", () => {
  it.each([
    {
      prompt: easy,
      quality: "0",
      decision: "gemma-4-26b-a4b; need=-0.719; p=0.30,0.47,0.71,0.71,0.73",
    },
    {
      prompt: easy,
      quality: "0.8",
      decision: "gemini-3.1-flash-lite; need=-0.719; p=0.30,0.47,0.71,0.71,0.73",
    },
    { prompt: easy, quality: "1", decision: "o3; need=-0.719; p=0.30,0.47,0.71,0.71,0.73" },
    {
      prompt: hard,
      quality: "0",
      decision: "gemma-4-26b-a4b; need=-0.166; p=0.14,0.25,0.42,0.53,0.68",
    },
    { prompt: hard, quality: "0.8", decision: "o3; need=-0.166; p=0.14,0.25,0.42,0.53,0.68" },
    { prompt: hard, quality: "1", decision: "o3; need=-0.166; p=0.14,0.25,0.42,0.53,0.68" },
  ])("are the same on every runtime: $prompt at quality $quality", async (row) => {
    const { headers } = await ask(row.prompt, { "x-optamil-quality": row.quality });
    const route = String(headers["x-optamil-route"]);
    const scores = /need=[^;]+; p=[^;]+/.exec(route)?.[0];
    expect(`${headers["x-optamil-model"]}; ${scores}`).toBe(row.decision);
  });

  it("refuse a quality above 1 and name the header", async () => {
    const { status, text } = await ask(easy, { "x-optamil-quality": "1.5" });
    expect(status).toBe(400);
    expect(text).toContain("X-Optamil-Quality");
  });

  it("refuse a quality above 1 in the body too", async () => {
    const { status, text } = await ask(easy, {}, { quality: 1.5 });
    expect(status).toBe(400);
    expect(text).toContain("quality");
  });

  it("keep to the tiers that the body names", async () => {
    const { headers } = await ask(easy, {}, { tier_min: "ultra" });
    expect(headers["x-optamil-tier"]).toBe("ultra");
  });
});

function ask(content: string, headers: Record<string, string>, optamil?: object) {
  return sendHttp1(gateway.url, {
    path: "/v1/chat/completions",
    headers: { ...bearer(gateway.key), ...headers },
    body: { model: "auto", messages: [{ role: "user", content }], ...(optamil && { optamil }) },
  });
}
