import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPasswordRoom, type PasswordRoom } from "../../src/directory/password.ts";
import { createSignIn, type SignIn } from "../../src/directory/sign-in.ts";
import { Attempts } from "../../src/platform/attempts.ts";
import { createUuidSource } from "../../src/platform/uuid.ts";
import { type AccountRoom, openAccountRoom } from "./account-room.ts";

const password = "correct horse";
let room: AccountRoom;
let passwords: PasswordRoom;
let signIn: SignIn;
let accountId: string;

beforeEach(async () => {
  room = await openAccountRoom();
  passwords = createPasswordRoom();
  const { clock } = room;
  const uuids = createUuidSource(clock);
  signIn = createSignIn({
    store: room.directory,
    issueSession: async ({ accountId, expiresAt }) => {
      const value = { keyId: uuids.text(), accountId, session: true, expiresAt: BigInt(expiresAt) };
      return { key: `session of ${accountId}`, change: { case: "keyCreated", value } };
    },
    passwords,
    clock,
    wrongByAddress: new Attempts({ perMinuteMax: 3, clock }),
    wrongByAccount: new Attempts({ perMinuteMax: 3, clock }),
  });
  const passwordHash = await passwords.hash(password);
  const email = "Ada@example.org";
  const { account } = await room.accounts.create({ name: "Ada", email, passwordHash }, "test");
  accountId = account.id;
});
afterEach(() => room.close());

const from = (address: string, email = "ada@example.org", secret = password) =>
  signIn({ email, password: secret, address });

describe("sign-in", () => {
  it("opens a session of 12 hours, which is no key of the list", async () => {
    const session = await from("10.0.0.1");
    expect(session).toMatchObject({
      account: { id: accountId },
      token: `session of ${accountId}`,
      expiresAt: room.clock.nowMs / 1_000 + 43_200,
    });
    expect(room.directory.keysOf(accountId).map(({ name }) => name)).toEqual(["first key"]);
    expect(room.directory.changes({ limit: 1 }).changes[0]).toMatchObject({
      actor: "sign-in",
      action: "key.created",
    });
  });

  it("takes a password that Unicode spells in another way for the same", async () => {
    const passwordHash = await passwords.hash("caf\u00e9 au lait");
    await room.accounts.create({ name: "Bob", email: "bob@example.org", passwordHash }, "test");
    expect(await from("10.0.0.1", "bob@example.org", "cafe\u0301 au lait")).toBeDefined();
  });

  it("answers a wrong password, an unknown address and an account without a password alike", async () => {
    await room.accounts.create({ name: "Bob", email: "bob@example.org" }, "test");
    const refusals = await Promise.all(
      [
        from("10.0.0.1", "ada@example.org", "wrong horse"),
        from("10.0.0.2", "nobody@example.org"),
        from("10.0.0.3", "bob@example.org", ""),
        from("10.0.0.4", ""),
      ].map((attempt) => attempt.catch((error: unknown) => error)),
    );
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({
        code: "unauthenticated",
        message: "Wrong e-mail address or password.",
      });
    }
  });

  it("makes an address wait that has tried too many passwords, of whatever accounts", async () => {
    for (const email of ["a@example.org", "b@example.org", "c@example.org"]) {
      await expect(from("10.0.0.1", email)).rejects.toMatchObject({ code: "unauthenticated" });
    }
    await expect(from("10.0.0.1")).rejects.toMatchObject({
      code: "rate_limit_exceeded",
      retryAfterMs: 60_000,
    });
    expect(await from("10.0.0.2")).toBeDefined();
    room.clock.nowMs += 60_000;
    expect(await from("10.0.0.1")).toBeDefined();
  });

  it("makes everybody wait for an account at which too many passwords were tried", async () => {
    for (const address of ["10.0.0.1", "10.0.0.2", "10.0.0.3"]) {
      const wrong = from(address, "ADA@example.org", "wrong horse");
      await expect(wrong).rejects.toMatchObject({ code: "unauthenticated" });
    }
    await expect(from("10.0.0.4")).rejects.toMatchObject({ code: "rate_limit_exceeded" });
  });

  it("compares eight passwords at once and asks others to come again", async () => {
    const attempts = Array.from({ length: 9 }, (_, at) => from(`10.0.0.${at}`));
    const results = await Promise.allSettled(attempts);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(8);
    expect(results.find(({ status }) => status === "rejected")).toMatchObject({
      reason: { code: "rate_limit_exceeded", retryAfterMs: 1_000 },
    });
  });
});
