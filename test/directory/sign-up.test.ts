import { scryptSync } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPasswordRoom, hashPassword } from "../../src/directory/password.ts";
import { createSignUp, type SignUp as SignUpFrom } from "../../src/directory/sign-up.ts";
import { Attempts } from "../../src/platform/attempts.ts";
import { type AccountRoom, openAccountRoom } from "./account-room.ts";

let room: AccountRoom;
type SignUp = (request: Parameters<SignUpFrom>[0], address?: string) => ReturnType<SignUpFrom>;

let signUp: SignUp;

beforeEach(async () => {
  room = await openAccountRoom();
  signUp = open("open");
});
afterEach(() => room.close());

/** Sign-up from one address; invitations are the texts "ADDRESS for PLAN". */
function open(mode: "open" | "invitation" | "closed"): SignUp {
  const signUpFrom = createSignUp({
    accounts: room.accounts,
    mode,
    passwords: createPasswordRoom(),
    attempts: new Attempts({ perMinuteMax: 60, clock: room.clock }),
    readInvitation: (text) => {
      const [email = "", plan = ""] = text.split(" for ");
      return { email, plan };
    },
  });
  return (request, address = "10.0.0.1") => signUpFrom(request, address);
}

/** Whether a hash is that of a password, by the parameters that it states. */
function matches(hash: string, password: string): boolean {
  const [, ln, r, p, salt = "", expected] =
    /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(hash) ?? [];
  const options = { N: 2 ** Number(ln), r: Number(r), p: Number(p), maxmem: 2 ** 26 };
  const derived = scryptSync(password, Buffer.from(salt, "base64"), 32, options);
  return derived.toString("base64").replace(/=+$/, "") === expected;
}

describe("sign-up", () => {
  it("opens an account on plan Free, named by its address, with a key", async () => {
    const { account, key } = await signUp({ email: "Ada@example.org" });
    expect(account).toMatchObject({
      name: "Ada@example.org",
      email: "Ada@example.org",
      plan: "free",
    });
    expect(key).toBe(`key of ${account.id} on free`);
    expect(room.directory.account(account.id)?.passwordHash).toBe("");
  });

  it("keeps a password as a scrypt hash of N = 2^15, r = 8, p = 1 and a salt of 16 bytes", async () => {
    const { account } = await signUp({ email: "ada@example.org", password: "correct horse" });
    const hash = room.directory.account(account.id)?.passwordHash ?? "";
    expect(hash).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(matches(hash, "correct horse")).toBe(true);
    expect(matches(hash, "correct horsf")).toBe(false);
  });

  it("gives an address to one account, whatever its letter case", async () => {
    await signUp({ email: "ada@example.org" });
    await expect(signUp({ email: "ADA@EXAMPLE.ORG" })).rejects.toMatchObject({
      code: "invalid_request",
      param: "email",
    });
    expect(room.accounts.list({}).data).toHaveLength(1);
  });

  it("is forbidden where it is closed", async () => {
    const closed = open("closed");
    await expect(closed({ email: "ada@example.org" })).rejects.toMatchObject({
      code: "permission_denied",
    });
    expect(room.accounts.list({}).data).toEqual([]);
  });

  it("lets through 60 attempts a minute, failed ones too, and says when to come again", async () => {
    await signUp({ email: "ada@example.org" });
    room.clock.nowMs += 10_000;
    for (let count = 1; count < 60; count += 1) {
      await signUp({ email: "ada@example.org" }).catch(() => undefined);
    }
    room.clock.nowMs += 10_000;
    const eve = { email: "eve@example.org" };
    await expect(signUp(eve)).rejects.toMatchObject({
      code: "rate_limit_exceeded",
      retryAfterMs: 40_000,
    });
    room.clock.nowMs += 40_000;
    await signUp(eve);
  });
});

describe("a password's hash", () => {
  it("has a salt of its own, and is the same for both spellings of a letter", async () => {
    const [one, other] = await Promise.all([
      hashPassword("caf\u00e9 au lait"),
      hashPassword("cafe\u0301 au lait"),
    ]);
    expect(one).not.toBe(other);
    expect(matches(one, "caf\u00e9 au lait")).toBe(true);
    expect(matches(other, "caf\u00e9 au lait")).toBe(true);
  });
});

describe("sign-up by invitation", () => {
  it("opens the account that was invited, on the invitation's plan, whatever the letter case", async () => {
    const invited = open("invitation");
    const invitation = "Ada@example.org for pro";
    const { account } = await invited({ email: "ada@example.org", invitation });
    expect(account.plan).toBe("pro");
    await expect(invited({ email: "ada@example.org", invitation })).rejects.toMatchObject({
      code: "invalid_request",
      param: "email",
    });
  });

  it.each([
    ["no invitation", ""],
    ["another's invitation", "bob@example.org for pro"],
  ])("is forbidden with %s", async (_name, invitation) => {
    const refused = open("invitation")({ email: "ada@example.org", invitation });
    await expect(refused).rejects.toMatchObject({
      code: "permission_denied",
      param: "invitation",
    });
    expect(room.accounts.list({}).data).toEqual([]);
  });

  it("counts also where everybody may sign up", async () => {
    const invitation = "ada@example.org for pro";
    const { account } = await signUp({ email: "ada@example.org", invitation });
    expect(account.plan).toBe("pro");
  });
});

describe("an address that signs up too often", () => {
  it("does not keep others from it", async () => {
    for (let count = 0; count < 60; count += 1) {
      await signUp({ email: "ada@example.org" }).catch(() => undefined);
    }
    const refused = signUp({ email: "eve@example.org" });
    await expect(refused).rejects.toMatchObject({ code: "rate_limit_exceeded" });
    expect(await signUp({ email: "eve@example.org" }, "10.0.0.2")).toBeDefined();
  });
});
