import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { publicUnary, unary } from "../../../src/gateway/exchange.ts";
import { AccountService } from "../../../src/gen/optamil/v1/accounts_pb.ts";
import { AdminService } from "../../../src/gen/optamil/v1/admin_pb.ts";
import { type AccountDoors, openAccountDoors } from "./account-doors.ts";

const route = "POST /v1/accounts";

async function open(options?: { signUpOpen: boolean }): Promise<AccountDoors> {
  const doors = await openAccountDoors(options);
  onTestFinished(() => doors.close());
  return doors;
}

describe("sign-up", () => {
  it.each([undefined, "sk-optamil-nonsense"])("needs no key by REST: %s", async (key) => {
    const { rest } = await open();
    expect(await rest(key, route, { email: "ada@example.org" })).toMatchObject({
      status: 200,
      body: {
        account: { object: "account", email: "ada@example.org", plan: "free" },
        key: expect.stringMatching(/^key of /),
      },
    });
  });

  it("needs no key by RPC", async () => {
    const { signUp } = await open();
    const { account } = await signUp.signUp({ email: "ada@example.org" });
    expect(account?.plan).toBe("free");
  });

  it("never shows the password or its hash", async () => {
    const { rest } = await open();
    const { body } = await rest(undefined, route, {
      email: "ada@example.org",
      password: "correct horse",
    });
    expect(JSON.stringify(body)).not.toMatch(/scrypt|correct/);
  });

  it.each<[string, object, string]>([
    ["no address", {}, "email"],
    ["what is no address", { email: "ada" }, "email"],
    ["an address of 255 characters", { email: `${"a".repeat(243)}@example.org` }, "email"],
    ["a password of 9 characters", { email: "ada@example.org", password: "123456789" }, "password"],
    [
      "a password of 257 characters",
      { email: "ada@example.org", password: "x".repeat(257) },
      "password",
    ],
  ])("refuses %s with 400", async (_name, body, param) => {
    const { rest, room } = await open();
    expect(await rest(undefined, route, body)).toMatchObject({
      status: 400,
      body: { error: { param } },
    });
    expect(room.accounts.list({}).data).toEqual([]);
  });

  it("refuses an address that is taken with 400", async () => {
    const { rest } = await open();
    await rest(undefined, route, { email: "ada@example.org" });
    expect(await rest(undefined, route, { email: "Ada@Example.org" })).toMatchObject({
      status: 400,
      body: { error: { param: "email", type: "invalid_request_error" } },
    });
  });

  it("answers 403 by REST and permission_denied by RPC where it is closed", async () => {
    const { rest, signUp } = await open({ signUpOpen: false });
    const body = { email: "ada@example.org" };
    expect(await rest(undefined, route, body)).toMatchObject({ status: 403 });
    await expect(signUp.signUp(body)).rejects.toMatchObject({ code: Code.PermissionDenied });
  });

  it("answers 429 with Retry-After above 60 attempts a minute", async () => {
    const { rest, signUp } = await open();
    for (let count = 0; count < 60; count += 1) {
      await signUp.signUp({ email: "ada@example.org" }).catch(() => undefined);
    }
    const eve = { email: "eve@example.org" };
    expect(await rest(undefined, route, eve)).toMatchObject({
      status: 429,
      body: { error: { type: "rate_limit_exceeded" } },
    });
    const refusal = ConnectError.from(await signUp.signUp(eve).catch((error: unknown) => error));
    expect(refusal.code).toBe(Code.ResourceExhausted);
    expect(refusal.metadata.get("retry-after")).toBe("60");
  });
});

describe("the entry of a method", () => {
  it("is public exactly where its access option says so", () => {
    const fail = () => {
      throw new Error("not called");
    };
    expect(() => unary(AccountService.method.signUp, fail)).toThrow("is public");
    expect(() => publicUnary(AdminService.method.listPlans, fail)).toThrow("needs a key");
  });
});
