import { Buffer } from "node:buffer";
import { createPrivateKey, sign } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  create,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { scopeOf } from "../../src/gateway/access.ts";
import { refusalHeldMs } from "../../src/gateway/hold-refusal.ts";
import { routesOf } from "../../src/gateway/route.ts";
import { scopes } from "../../src/keys/scopes.ts";
import { readApiMethods } from "../gateway/api-services.ts";
import { bearer, type HeaderMap } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { alone } from "./gateway-fleet.ts";
import { fromRow, type Refusal, readConnectRefusal, readRefusal, rows } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";

const gateway = await startGateway({ config: { limits: { failedAuthPerMinute: 1_000_000 } } });
const admin = bearer(gateway.key);
const methods = await readApiMethods();
const guarded = methods.filter((method) => scopeOf(method) !== undefined);
const anId = "0190b2c4-0000-7000-8000-00000000000a";

type KeyMade = { readonly key: string; readonly id: string };

async function post(path: string, body: object, headers: HeaderMap = admin) {
  const reply = await sendHttp1(gateway.url, { path, body, headers });
  expect(reply.status, reply.text).toBe(200);
  return JSON.parse(reply.text);
}

async function createKey(
  keyScopes: readonly string[],
  headers: HeaderMap = admin,
): Promise<KeyMade> {
  const { key, info } = await post("/v1/keys", { name: "test", scopes: keyScopes }, headers);
  return { key, id: info.id };
}

/** The key with other claims, signed by the gateway's own signing key: what only its thief can make. */
async function resign(key: string, changes: Record<string, unknown>): Promise<string> {
  const set = JSON.parse(await readFile(gateway.signingKeys, "utf8"));
  const [{ x, d }] = set.keys;
  const privateKey = createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", x, d }, format: "jwk" });
  const [header = "", payload = ""] = key.slice("sk-optamil-".length).split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
  const changed = Buffer.from(JSON.stringify({ ...claims, ...changes })).toString("base64url");
  const signed = `${header}.${changed}`;
  return `sk-optamil-${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`;
}

/** By scope: a key that has all others, and a key that has it alone. */
const lacking = new Map<string, KeyMade>();
const having = new Map<string, KeyMade>();
for (const scope of scopes) {
  lacking.set(scope, await createKey(scopes.filter((other) => other !== scope)));
  having.set(scope, await createKey([scope]));
}
const revoked = await createKey(scopes);
await sendHttp1(gateway.url, { path: `/v1/keys/${revoked.id}`, method: "DELETE", headers: admin });
const stranger = await post("/v1/admin/accounts", { name: "stranger" });
await post("/v1/accounts", { email: "ada@example.org", password: "correct horse" }, {});
const signedIn = await sendHttp1(gateway.url, {
  path: "/v1/sessions",
  body: { email: "ada@example.org", password: "correct horse" },
});
const session = { cookie: signedIn.headers["set-cookie"]?.split(";", 1)[0] ?? "" };
const sessionToken = session.cookie.split("=")[1] ?? "";
const expired = await resign(gateway.key, { exp: 1_700_000_000 });
const moved = await resign(gateway.key, { sub: stranger.account.id });

const badCredentials: readonly (readonly [string, HeaderMap])[] = [
  ["no key", {}],
  ["a key that is none", bearer("sk-optamil-none")],
  ["a key with a wrong signature", bearer(`${gateway.key.slice(0, -20)}${"A".repeat(20)}`)],
  ["an expired key", bearer(expired)],
  ["a revoked key", bearer(revoked.key)],
  ["a key that says to be of another account", bearer(moved)],
  ["two keys", { ...admin, "x-api-key": expired }],
  ["a key in a cookie", { cookie: `optamil_session=${gateway.key}` }],
  ["a session's token in the place of a key", bearer(sessionToken)],
  ["an expired session", { cookie: `optamil_session=${await resign(sessionToken, { exp: 1 })}` }],
  ["a session from another site", { ...session, "sec-fetch-site": "cross-site" }],
  ["a session from another origin", { ...session, origin: "https://evil.example" }],
];

/** A way to call any method with a request that says nothing but, in REST, its path. */
type AnyDoor = {
  readonly name: string;
  readonly kind: "rest" | "rpc";
  /** The refusal; undefined: it was answered. */
  readonly call: (method: DescMethod, headers: HeaderMap) => Promise<Refusal | undefined>;
};

const anyDoors: readonly AnyDoor[] = [
  {
    name: "REST",
    kind: "rest",
    async call(method, headers) {
      const [route] = routesOf(method);
      if (route === undefined) throw new Error(`${method.name} has no route`);
      const path = route.path.replaceAll(/\{[^}]*\}/g, anId);
      const body = route.body === "none" ? undefined : {};
      const { httpMethod } = route;
      const reply = await sendHttp1(gateway.url, { path, method: httpMethod, headers, body });
      return reply.status === 200 ? undefined : readRefusal(reply);
    },
  },
  rpcDoor("Connect", createConnectTransport({ baseUrl: gateway.url, httpVersion: "1.1" })),
  rpcDoor("gRPC", createGrpcTransport({ baseUrl: gateway.url })),
];

const isUnary = (method: DescMethod): method is DescMethodUnary => method.methodKind === "unary";

const isStreamed = (method: DescMethod): method is DescMethodServerStreaming =>
  method.methodKind === "server_streaming";

function rpcDoor(name: string, transport: Transport): AnyDoor {
  return {
    name,
    kind: "rpc",
    async call(method, headers) {
      try {
        if (isStreamed(method)) {
          const input = (async function* () {
            yield create(method.input);
          })();
          const { message } = await transport.stream(method, undefined, undefined, headers, input);
          for await (const _ of message);
        } else if (isUnary(method)) {
          await transport.unary(method, undefined, undefined, headers, create(method.input));
        }
        return undefined;
      } catch (thrown) {
        return readConnectRefusal(ConnectError.from(thrown));
      }
    },
  };
}

const withoutId = ({ headers, ...refusal }: Refusal) => ({
  ...refusal,
  retry: headers["x-should-retry"],
});

describe.each(anyDoors)("every guarded method over $name", ({ kind, call }) => {
  it.each(badCredentials)("refuses %s, with one answer for all of them", async (_name, headers) => {
    const refusals = await Promise.all(guarded.map((method) => call(method, headers)));
    for (const [at, refusal] of refusals.entries()) {
      expect(refusal, guarded[at]?.name).toMatchObject(fromRow(rows.unauthenticated, kind));
    }
    const answers = new Set(
      refusals.map((refusal) => refusal && JSON.stringify(withoutId(refusal))),
    );
    expect(answers.size).toBe(1);
  });

  it("takes the same time, that of a timer, for all of them", async () => {
    const [method] = guarded;
    if (method === undefined) throw new Error("there is no method");
    for (const [name, headers] of badCredentials) {
      const startedMs = performance.now();
      await call(method, headers);
      // A timer may end up to a millisecond early by this clock.
      expect(performance.now() - startedMs, name).toBeGreaterThan(refusalHeldMs - 1);
    }
  });

  it.each(guarded)("refuses a key with every scope but its own: $name", async (method) => {
    const key = lacking.get(scopeOf(method) ?? "")?.key ?? "";
    const refusal = await call(method, bearer(key));
    expect(refusal).toMatchObject(fromRow(rows.forbidden, kind));
    expect(refusal?.message).toContain(`'${scopeOf(method)}'`);
  });

  it.each(guarded)("lets a key with its scope alone in: $name", async (method) => {
    const key = having.get(scopeOf(method) ?? "")?.key ?? "";
    const refusal = await call(method, bearer(key));
    // An empty request is mostly a bad one; but it was the request that was looked at.
    const gates: (number | undefined)[] =
      kind === "rest" ? [401, 403] : [Code.Unauthenticated, Code.PermissionDenied];
    expect(gates).not.toContain(refusal?.code);
  });
});

/** What the owner of an account may do, and nothing of the operator's. */
describe.each(anyDoors)("a session over $name", ({ kind, call }) => {
  const mine = guarded.filter((method) => method.name !== "SignOut");

  it.each(mine)("has the scopes of an account's owner: $name", async (method) => {
    const refusal = await call(method, session);
    if (scopeOf(method) === "admin") expect(refusal).toMatchObject(fromRow(rows.forbidden, kind));
    else {
      const gates: (number | undefined)[] =
        kind === "rest" ? [401, 403] : [Code.Unauthenticated, Code.PermissionDenied];
      expect(gates).not.toContain(refusal?.code);
    }
  });
});

describe("a key of another account", () => {
  const asStranger = bearer(stranger.key);

  it("finds none of the methods that name a key able to see or change this account's", async () => {
    const { id } = await createKey(["chat"]);
    const naming = guarded.filter(({ input }) =>
      input.fields.some(({ name }) => name === "key_id"),
    );
    expect(naming.length).toBeGreaterThan(0);
    for (const method of naming.filter((one) => scopeOf(one) !== "admin")) {
      const [route] = routesOf(method);
      const path = route?.path.replace("{key_id}", id) ?? "";
      const request = { path, method: route?.httpMethod ?? "", headers: asStranger };
      const body = route?.body === "none" ? undefined : {};
      const refusal = readRefusal(await sendHttp1(gateway.url, { ...request, body }));
      expect(refusal, method.name).toMatchObject({ code: 404, type: "not_found" });
    }
    const listed = await sendHttp1(gateway.url, { path: "/v1/keys", headers: admin });
    const own = JSON.parse(listed.text).data.find((key: { id: string }) => key.id === id);
    expect(own).toMatchObject({ id, revoked_at: null });
  });

  it("lists its own keys only, and reads its own usage only", async () => {
    const keys = await sendHttp1(gateway.url, { path: "/v1/keys", headers: asStranger });
    expect(JSON.parse(keys.text).data.map((key: { name: string }) => key.name)).toEqual([
      "first key",
    ]);
    const usage = await sendHttp1(gateway.url, { path: "/v1/usage", headers: asStranger });
    expect(JSON.parse(usage.text)).toMatchObject({ credits_total: 500 });
  });

  it.each(guarded.filter((method) => scopeOf(method) === "admin"))(
    "cannot call what is the operator's: $name",
    async (method) => {
      for (const { kind, call } of anyDoors) {
        expect(await call(method, asStranger)).toMatchObject(fromRow(rows.forbidden, kind));
      }
    },
  );
});

alone("each replica counts for itself", () => {
  it("an address that sends bad keys is told to wait after its number of them, while good keys from there go on", async () => {
    const limited = await startGateway({ config: { limits: { failedAuthPerMinute: 3 } } });
    const ask = (headers: HeaderMap) => sendHttp1(limited.url, { path: "/v1/models", headers });
    const bad = bearer("sk-optamil-none");
    const statuses = [];
    for (const headers of [bad, {}, bad, bad, {}]) statuses.push((await ask(headers)).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    const refusal = readRefusal(await ask(bad));
    expect(refusal).toMatchObject(fromRow(rows.tooMany, "rest"));
    const retryAfterS = Number(refusal.headers["retry-after"]);
    expect(retryAfterS).toBeGreaterThan(0);
    expect(retryAfterS).toBeLessThanOrEqual(60);
    const spoofed = {
      ...bad,
      "x-optamil-client-address": "10.0.0.1",
      "x-forwarded-for": "10.0.0.1",
    };
    expect((await ask(spoofed)).status).toBe(429);
    for (const httpVersion of ["1.1", "2"] as const) {
      const transport = createConnectTransport({ baseUrl: limited.url, httpVersion });
      const { call } = rpcDoor("Connect", transport);
      const [method] = guarded;
      if (method === undefined) throw new Error("there is no method");
      expect(await call(method, spoofed)).toMatchObject(fromRow(rows.tooMany, "rpc"));
    }
    expect((await ask(bearer(limited.key))).status).toBe(200);
  });
});
