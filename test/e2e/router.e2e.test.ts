import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { encodeNetwork } from "../../src/router/network.ts";
import { bearer, doors } from "./doors.ts";
import { runOptamil, startGateway, temporaryFolder, writeConfig } from "./gateway.ts";
import { alone, expectSoon } from "./gateway-fleet.ts";
import { sendHttp1 } from "./rest-client.ts";

const gateway = await startGateway();

const easy = "Translate into French: the cat sleeps.";
const hard = "Prove that $x^n + y^n = z^n$ has no solution in positive integers for $n = 4$.";

describe("the router's decisions", () => {
  it.each([
    {
      prompt: easy,
      quality: "0",
      decision: "gemma-4-26b-a4b; need=-0.852; p=0.30,0.47,0.71,0.71,0.73",
    },
    {
      prompt: easy,
      quality: "0.8",
      decision: "gemini-3.1-flash-lite; need=-0.852; p=0.30,0.47,0.71,0.71,0.73",
    },
    { prompt: easy, quality: "1", decision: "o3; need=-0.852; p=0.30,0.47,0.71,0.71,0.73" },
    {
      prompt: hard,
      quality: "0",
      decision: "gemma-4-26b-a4b; need=-0.129; p=0.14,0.25,0.42,0.53,0.68",
    },
    { prompt: hard, quality: "0.8", decision: "o3; need=-0.129; p=0.14,0.25,0.42,0.53,0.68" },
    { prompt: hard, quality: "1", decision: "o3; need=-0.129; p=0.14,0.25,0.42,0.53,0.68" },
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

const inexpensive = await startGateway({ config: { router: { quality: 0.4 } } });

describe.each(doors)("through $name the quality of a request that asks for none", (door) => {
  const { url } = inexpensive;
  const headers = bearer(inexpensive.key);
  const body = { model: "auto", messages: [{ role: "user", content: easy }] };
  const admin = async (method: string, path: string, sent?: object) => {
    const { status, text } = await sendHttp1(url, { path, method, headers, body: sent });
    expect(status, text).toBe(200);
    return JSON.parse(text);
  };
  const qualityFor = async (key: string, asked: object = {}) => {
    const answer = await door.chat({ url, headers: bearer(key) }, { ...body, ...asked });
    return /quality=[^;]+/.exec(String(answer.headers["x-optamil-route"]))?.[0];
  };

  it("is its key's, else its account's, else the configuration's", async () => {
    const account = await admin("POST", "/v1/admin/accounts", { name: "Ada" });
    const routing = `/v1/admin/accounts/${account.account.id}/routing`;
    expect(await qualityFor(account.key)).toBe("quality=0.40");
    await admin("PUT", routing, { quality: 0.6, baseline_model: "gpt-5" });
    await expectSoon(() => qualityFor(account.key)).toBe("quality=0.60");
    const own = await admin("POST", "/v1/keys", { name: "own", quality: 0 });
    expect(own.info.quality).toBe(0);
    expect(await qualityFor(own.key)).toBe("quality=0.00");
    expect(await qualityFor(own.key, { optamil: { quality: 1 } })).toBe("quality=1.00");
    const shown = await admin("PUT", routing, {});
    expect(shown.account).not.toHaveProperty("baseline_model");
    await expectSoon(() => qualityFor(account.key)).toBe("quality=0.40");
  });

  it("is explained as it is decided", async () => {
    const { key } = await admin("POST", "/v1/keys", { name: "own", quality: 0.3 });
    const path = "/v1/route";
    const { text } = await sendHttp1(url, { path, headers: bearer(key), body });
    expect(JSON.parse(text).quality).toBe(0.3);
  });
});

describe("other weights than the gateway's own", () => {
  it.each(["weights", "shadowWeights"])("are refused by name where %s has none", async (field) => {
    const file = await writeConfig({ router: { [field]: "/nowhere/weights.bin" } });
    const { code, stderr } = await runOptamil(["config", "check", file], await temporaryFolder());
    expect(code).toBe(1);
    expect(stderr).toContain(`router.${field}: ENOENT`);
  });

  it("decide where the configuration names them", async () => {
    const other = await startGateway({ config: { router: { weights: await thriftyWeights() } } });
    const { headers } = await sendHttp1(other.url, {
      path: "/v1/chat/completions",
      headers: bearer(other.key),
      body: { model: "auto", messages: [{ role: "user", content: hard }], optamil: { quality: 1 } },
    });
    expect(headers["x-optamil-model"]).toBe("gemma-4-26b-a4b");
  });
});

alone("a fleet decides by the same settings, and each costs another fleet", () =>
  describe("the usage event of a request", () => {
    it("holds the decision, the shadow's and the baseline, and analysts see what was saved", async () => {
      const router = { shadowWeights: await thriftyWeights(), shadowShare: 1 };
      const { url, key, dataDirectory } = await startGateway({ config: { router } });
      const headers = bearer(key);
      const [account] = JSON.parse(
        (await sendHttp1(url, { path: "/v1/admin/accounts", headers })).text,
      ).data;
      const routing = `/v1/admin/accounts/${account.id}/routing`;
      const baseline = { baseline_model: "gpt-5" };
      await sendHttp1(url, { path: routing, method: "PUT", headers, body: baseline });
      const body = { messages: [{ role: "user", content: hard }] };
      const path = "/v1/chat/completions";
      const auto = await sendHttp1(url, { path, headers, body: { ...body, model: "auto" } });
      await sendHttp1(url, { path, headers, body: { ...body, model: "gpt-4.1" } });
      const query = async (select: string) => {
        await runOptamil(["audit"], dataDirectory);
        const { stdout } = await runOptamil(
          ["sql", select, "--format", "JSONEachRow"],
          dataDirectory,
        );
        return stdout.split("\n").flatMap((line) => (line === "" ? [] : JSON.parse(line)));
      };
      const all = () => query("SELECT * FROM usage ORDER BY admitted_at");
      await expect.poll(async () => (await all()).length, { timeout: 20_000 }).toBe(2);
      const [decided, named] = await all();
      const idOf = async (file: string | URL) =>
        createHash("sha256")
          .update(await readFile(file))
          .digest("hex")
          .slice(0, 12);
      const own = new URL("../../src/router/weights.bin", import.meta.url);
      expect(decided).toMatchObject({
        ...{ requested_model: "auto", baseline_model: "gpt-5", route_propensity_ppm: 1_000_000 },
        ...{ route_quality_ppm: 800_000, estimated_prompt_tokens: Math.ceil(hard.length / 4) },
        ...{ route_weights: await idOf(own), shadow_weights: await idOf(router.shadowWeights) },
      });
      const chances = decided.route_chances_ppm.map((part: number) => (part / 1e6).toFixed(2));
      expect(String(auto.headers["x-optamil-route"])).toContain(`p=${chances.join(",")};`);
      expect(decided.route_ranked[0]).toMatchObject({
        ...{ model: auto.headers["x-optamil-model"], tier: auto.headers["x-optamil-tier"] },
      });
      expect(decided.shadow_ranked[0].model).toBe("gemma-4-26b-a4b");
      const gpt5NanoUsd = decided.prompt_tokens * 1_250 + decided.completion_tokens * 10_000;
      expect(decided.baseline_cost_nanousd).toBe(gpt5NanoUsd);
      expect(named).toMatchObject({ route_weights: "", route_ranked: [], shadow_ranked: [] });
      expect(named).toMatchObject({ estimated_prompt_tokens: decided.estimated_prompt_tokens });
      expect(await query("SELECT baseline_model, answers, baseline_cost_usd FROM savings")).toEqual(
        [{ baseline_model: "gpt-5", answers: 1, baseline_cost_usd: gpt5NanoUsd / 1e9 }],
      );
      expect(await query("SELECT decisions, same_model FROM shadow_comparison")).toEqual([
        { decisions: 1, same_model: 0 },
      ]);
      const statement = new URL("../../src/router/training/own-outcomes.sql", import.meta.url);
      expect(await query(await readFile(statement, "utf8"))).toEqual([
        {
          ...{ id: decided.request_id, tier: decided.tier, good: false, propensity_ppm: 1_000_000 },
          chances_ppm: decided.route_chances_ppm,
          ranked_tiers: decided.route_ranked.map(({ tier }: { tier: string }) => tier),
          completion_tokens: decided.completion_tokens,
          // Nobody said what the answer was worth.
          score: null,
        },
      ]);
      expect(decided.request_id).toBe(auto.headers["x-request-id"]);
      expect(await query("SELECT retried, escalated FROM router_outcomes")).toEqual([
        { retried: true, escalated: false },
      ]);
    }, 60_000);

    it("may be explored where the configuration says so, but an explanation never is", async () => {
      const config = { router: { explorationShare: 0.05, quality: 0.8 } };
      const { url, key } = await startGateway({ config });
      const headers = bearer(key);
      const body = { model: "auto", messages: [{ role: "user", content: hard }] };
      const routes = new Set<string>();
      for (let count = 0; count < 60; count++) {
        const { text } = await sendHttp1(url, { path: "/v1/route", headers, body });
        routes.add(JSON.parse(text).models[0]);
      }
      expect([...routes]).toEqual(["o3"]);
      const { headers: told } = await sendHttp1(url, {
        ...{ path: "/v1/chat/completions", headers, body },
      });
      expect(String(told["x-optamil-route"])).toMatch(/; propensity=0\.(95625|00625); /);
    });
  }),
);

describe("POST /v1/route", () => {
  const headers = bearer(gateway.key);
  const body = { model: "auto", messages: [{ role: "user", content: hard }] };

  async function explain(changes: object = {}) {
    const path = "/v1/route";
    const { status, text } = await sendHttp1(gateway.url, {
      ...{ path, headers, body: { ...body, ...changes } },
    });
    return { status, explanation: JSON.parse(text) };
  }

  it("says what a chat request would be given, and why, and costs nothing", async () => {
    const usage = () => sendHttp1(gateway.url, { path: "/v1/usage", headers });
    const before = (await usage()).text;
    const { status, explanation } = await explain();
    expect(status).toBe(200);
    expect((await usage()).text).toBe(before);
    const answered = await ask(hard, {});
    expect(explanation.models[0]).toBe(answered.headers["x-optamil-model"]);
    expect(explanation).toMatchObject({
      tier: answered.headers["x-optamil-tier"],
      scorer: "neural",
      quality: 0.8,
      reasons: expect.stringMatching(/^[+-][a-z-]+( [+-][a-z-]+)*$/),
    });
    const chances = ["free", "budget", "mid", "premium", "ultra"].map(
      (tier) => explanation.chances[tier],
    );
    const route = String(answered.headers["x-optamil-route"]);
    expect(route).toContain(`p=${chances.map((chance) => chance.toFixed(2)).join(",")}`);
    expect(route).toContain(`feasible=${explanation.feasible}`);
  });

  it("names what would be tried for a model that was named", async () => {
    const { explanation } = await explain({ model: "gpt-4.1" });
    expect(explanation).toMatchObject({ models: ["gpt-4.1"], tier: "premium" });
  });

  it("refuses what a chat request would be refused for", async () => {
    expect((await explain({ optamil: { tier_min: "ultra", tier_max: "free" } })).status).toBe(400);
    expect((await explain({ model: "no-such-model" })).status).toBe(404);
  });
});

/** A file of the gateway's own weights, but for a price at which no chance is worth any cost. */
async function thriftyWeights(): Promise<string> {
  const own = await readFile(new URL("../../src/router/weights.bin", import.meta.url));
  const tableAt = 8 + own.readUInt32LE(4);
  const header = JSON.parse(own.subarray(8, tableAt).toString("utf8"));
  const table = new Int8Array(own.subarray(tableAt));
  const file = join(await temporaryFolder(), "weights.bin");
  await writeFile(file, encodeNetwork({ ...header, lambdas: [1_000, 1_000] }, table));
  return file;
}

function ask(content: string, headers: Record<string, string>, optamil?: object) {
  return sendHttp1(gateway.url, {
    path: "/v1/chat/completions",
    headers: { ...bearer(gateway.key), ...headers },
    body: { model: "auto", messages: [{ role: "user", content }], ...(optamil && { optamil }) },
  });
}
