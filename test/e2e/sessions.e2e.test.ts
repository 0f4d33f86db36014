import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { AccountService } from "../../src/gen/optamil/v1/accounts_pb.ts";
import { bearer, doors, type HeaderMap } from "./doors.ts";
import { runOptamil, startGateway } from "./gateway.ts";
import { alone } from "./gateway-fleet.ts";
import { fromRow, readRefusal, refusalOf, rows } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";

const password = "correct horse";
// Hashing on a busy machine leaves connections idle for longer than Deno keeps them by default.
const limits = { headersTimeoutMs: 60_000 };
const gateway = await startGateway({ config: { signUp: "invitation", limits } });
const admin = bearer(gateway.key);
const chat = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };

const post = (path: string, body: object, headers: HeaderMap = {}) =>
  sendHttp1(gateway.url, { path, body, headers });

async function invite(email: string, plan = "pro"): Promise<string> {
  const reply = await post("/v1/admin/invitations", { email, plan }, admin);
  expect(reply.status, reply.text).toBe(200);
  return JSON.parse(reply.text).invitation;
}

/** Signs up and in; gives the cookie as a browser sends it back. */
async function openSession(email: string): Promise<HeaderMap> {
  const invitation = await invite(email);
  const made = await post("/v1/accounts", { email, password, invitation });
  expect(made.status, made.text).toBe(200);
  return signIn(email);
}

async function signIn(email: string): Promise<HeaderMap> {
  const reply = await post("/v1/sessions", { email, password });
  expect(reply.status, reply.text).toBe(200);
  return { cookie: reply.headers["set-cookie"]?.split(";", 1)[0] ?? "" };
}

const keysStatus = async (headers: HeaderMap) =>
  (await sendHttp1(gateway.url, { path: "/v1/keys", headers })).status;

describe("sign-up by invitation", () => {
  it("needs one, for the same address, and takes each once", async () => {
    const email = "once@example.org";
    const invitation = await invite(email);
    const body = { email, password, invitation };
    expect((await post("/v1/accounts", { email, password })).status).toBe(403);
    const other = await post("/v1/accounts", { ...body, email: "other@example.org" });
    expect(readRefusal(other)).toMatchObject({ code: 403, param: "invitation" });
    const first = await post("/v1/accounts", body);
    expect(JSON.parse(first.text).account).toMatchObject({ email, plan: "pro" });
    expect((await post("/v1/accounts", body)).status).toBe(400);
  });

  it("takes an invitation of the command line", async () => {
    const email = "shell@example.org";
    const words = ["accounts", "invite", email, "--plan", "starter", "--days", "1"];
    const { code, stdout } = await runOptamil(words, gateway.dataDirectory);
    expect(code).toBe(0);
    const made = await post("/v1/accounts", { email, invitation: stdout.trim() });
    expect(JSON.parse(made.text).account).toMatchObject({ email, plan: "starter" });
  });

  it("is refused with an invitation to a plan that is none", async () => {
    const body = { email: "x@example.org", plan: "gold" };
    const reply = await post("/v1/admin/invitations", body, admin);
    expect(readRefusal(reply)).toMatchObject({ code: 400, param: "plan" });
  });
});

describe("a session", () => {
  it("comes in a cookie alone, which scripts and other sites cannot use", async () => {
    await openSession("cookie@example.org");
    const reply = await post("/v1/sessions", { email: "cookie@example.org", password });
    expect(reply.headers["set-cookie"]).toMatch(
      /^optamil_session=sk-optamil-[\w.-]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/,
    );
    expect(reply.text).not.toContain("sk-optamil-");
    expect(JSON.parse(reply.text)).toMatchObject({ account: { email: "cookie@example.org" } });
  });

  it.each(doors)("chats through $name, and reads what it used", async (door) => {
    const email = `chat-${door.name.replaceAll(/[^A-Za-z0-9]/g, "-")}@example.org`;
    const headers = await openSession(email);
    const target = { url: gateway.url, headers };
    const { body } = await door.chat(target, chat);
    expect(body.choices).toHaveLength(1);
    const usage = await sendHttp1(gateway.url, { path: "/v1/usage", headers });
    expect(JSON.parse(usage.text)).toMatchObject({ credits_used: 1 });
    const foreign = { ...headers, origin: "https://evil.example" };
    const refusal = await refusalOf(door.chat({ url: gateway.url, headers: foreign }, chat));
    expect(refusal).toMatchObject(fromRow(rows.unauthenticated, door.kind));
  });

  it("manages the account's keys, is no key itself, and is no admin", async () => {
    const headers = await openSession("keys@example.org");
    const made = await post("/v1/keys", { name: "laptop" }, headers);
    expect(
      (await post("/v1/chat/completions", chat, bearer(JSON.parse(made.text).key))).status,
    ).toBe(200);
    const { data } = JSON.parse((await sendHttp1(gateway.url, { path: "/v1/keys", headers })).text);
    expect(data.map(({ name }: { name: string }) => name)).toEqual(["laptop", "first key"]);
    const token = headers["cookie"]?.split("=")[1] ?? "";
    expect(await keysStatus(bearer(token))).toBe(401);
    const plans = await sendHttp1(gateway.url, { path: "/v1/admin/plans", headers });
    expect(plans.status).toBe(403);
  });

  it("tells whose it is, what the plan allows and what it may do; so does a key", async () => {
    const email = "who@example.org";
    const account = async (headers: HeaderMap) =>
      JSON.parse((await sendHttp1(gateway.url, { path: "/v1/account", headers })).text);
    const scopes = ["chat", "models", "usage:read", "keys:write"];
    expect(await account(await openSession(email))).toMatchObject({
      account: { object: "account", email, plan: "pro" },
      limits: { requests_per_minute: 300, requests_per_day: 50_000, tokens_per_minute: 1_000_000 },
      credential: "session",
      scopes,
    });
    expect(await account(admin)).toMatchObject({
      account: { plan: "business" },
      credential: "key",
      scopes: [...scopes, "admin"],
    });
  });

  it("does not count beside a key, even a bad one", async () => {
    const headers = await openSession("both@example.org");
    expect(await keysStatus({ ...headers, ...bearer("sk-optamil-none") })).toBe(401);
  });

  it("ends when it is signed out, at once, and others of the account go on", async () => {
    const [one, other] = [await openSession("out@example.org"), await signIn("out@example.org")];
    const reply = await sendHttp1(gateway.url, {
      path: "/v1/sessions",
      method: "DELETE",
      headers: one,
    });
    expect(reply.status).toBe(200);
    expect(reply.headers["set-cookie"]).toMatch(/^optamil_session=; .*Max-Age=0/);
    expect([await keysStatus(one), await keysStatus(other)]).toEqual([401, 200]);
  });

  it("is what signing out ends, not a key", async () => {
    const request = { path: "/v1/sessions", method: "DELETE", headers: admin };
    expect((await sendHttp1(gateway.url, request)).status).toBe(400);
    expect(await keysStatus(admin)).toBe(200);
  });
});

describe("sign-in", () => {
  it.each([
    ["Connect", createConnectTransport({ baseUrl: gateway.url, httpVersion: "1.1" })],
    ["gRPC", createGrpcTransport({ baseUrl: gateway.url })],
  ])("over %s sets the same cookie", async (name, transport) => {
    const email = `${name}@example.org`;
    await openSession(email);
    let cookie = "";
    const onHeader = (headers: Headers) => {
      cookie = headers.get("set-cookie") ?? "";
    };
    await createClient(AccountService, transport).signIn({ email, password }, { onHeader });
    expect(cookie).toMatch(/^optamil_session=sk-optamil-.+; HttpOnly; SameSite=Strict$/);
    expect(await keysStatus({ cookie: cookie.split(";", 1)[0] ?? "" })).toBe(200);
  });

  alone("each replica counts for itself", () =>
    it("answers wrong passwords and unknown addresses alike, and 429 after ten of them", async () => {
      await openSession("wrong@example.org");
      const answers = new Set<string>();
      for (let count = 0; count < 10; count += 1) {
        const email = count % 2 === 0 ? "wrong@example.org" : `nobody${count}@example.org`;
        const reply = await post("/v1/sessions", { email, password: "wrong horse" });
        answers.add(`${reply.status} ${reply.text}`);
      }
      expect([...answers]).toEqual([expect.stringMatching(/^401 .*Wrong e-mail address/)]);
      const reply = await post("/v1/sessions", { email: "wrong@example.org", password });
      expect(readRefusal(reply)).toMatchObject({ code: 429, type: "rate_limit_exceeded" });
      expect(Number(reply.headers["retry-after"])).toBeGreaterThan(0);
    }),
  );
});
