import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AccountRoom, openAccountRoom } from "./account-room.ts";

const nobody = "00000000-0000-7000-8000-000000000000";
let room: AccountRoom;

beforeEach(async () => {
  room = await openAccountRoom();
});
afterEach(() => room.close());

describe("the operations on accounts", () => {
  it("make an account on plan Free with a first key that works", async () => {
    const { account, key } = await room.accounts.create({ name: "Ada" }, "cli");
    expect(account).toMatchObject({ object: "account", name: "Ada", plan: "free" });
    expect(account.email).toBeUndefined();
    expect(account.created).toBe(BigInt(room.clock.nowMs / 1_000));
    expect(key).toBe(`key of ${account.id} on free`);
    expect(room.directory.keysOf(account.id)).toMatchObject([{ name: "first key" }]);
  });

  it("make neither account nor key where the e-mail address is taken", async () => {
    await room.accounts.create({ name: "Ada", email: "ada@example.org" }, "cli");
    const heard: unknown[] = [];
    room.directory.onChange(({ change }) => heard.push(change.case));
    const again = room.accounts.create({ name: "Eve", email: "ADA@example.org" }, "cli");
    await expect(again).rejects.toMatchObject({ code: "invalid_request", param: "email" });
    expect(heard).toEqual([]);
  });

  it("write account and key in that order, in the name of who made them", async () => {
    const heard: unknown[] = [];
    room.directory.onChange(({ change, actor }) => heard.push([change.case, actor]));
    await room.accounts.create({ name: "Ada", plan: "pro" }, "cli");
    expect(heard).toEqual([
      ["accountCreated", "cli"],
      ["keyCreated", "cli"],
    ]);
  });

  it("list accounts a page at a time, oldest first", async () => {
    for (const name of ["one", "two", "three"]) await room.accounts.create({ name }, "cli");
    const first = room.accounts.list({ limit: 2, after: "" });
    expect(first).toMatchObject({ object: "list", hasMore: true });
    const second = room.accounts.list({ limit: 2, after: first.data.at(-1)?.id });
    expect([...first.data, ...second.data].map(({ name }) => name)).toEqual([
      "one",
      "two",
      "three",
    ]);
    expect(second.hasMore).toBe(false);
  });

  it("put an account on a plan, and write nothing where it is on it", async () => {
    const { account } = await room.accounts.create({ name: "Ada" }, "cli");
    const heard: unknown[] = [];
    room.directory.onChange(({ change }) => heard.push(change.case));
    expect(await room.accounts.setPlan(account.id, "pro", "cli")).toMatchObject({ plan: "pro" });
    await room.accounts.setPlan(account.id, "pro", "cli");
    expect(heard).toEqual(["accountPlanChanged"]);
  });

  it("route an account from now on, in the place of what was said before, and tell who did", async () => {
    const { account } = await room.accounts.create({ name: "Ada" }, "cli");
    expect([account.quality, account.baselineModel]).toEqual([undefined, undefined]);
    const routing = { accountId: account.id, quality: 0, baselineModel: "gpt-5" };
    expect(await room.accounts.setRouting(routing, "cli")).toMatchObject({
      ...{ id: account.id, quality: 0, baselineModel: "gpt-5" },
    });
    await room.accounts.setRouting(routing, "cli");
    const { data } = room.accounts.changes({ accountId: account.id });
    expect(data[0]).toMatchObject({ action: "account.routing_changed", actor: "cli", sequence: 3 });
    expect(data[0]?.fields.map(({ field, before, after }) => [field, before, after])).toEqual([
      ["quality", undefined, "0"],
      ["baseline_model", undefined, "gpt-5"],
    ]);
    const without = await room.accounts.setRouting({ accountId: account.id }, "cli");
    expect([without.quality, without.baselineModel]).toEqual([undefined, undefined]);
  });

  it.each([
    [{ baselineModel: "gpt-none" }, { code: "invalid_request", param: "baseline_model" }],
    [{ quality: 1.5 }, { code: "invalid_request", param: "quality" }],
    [{ quality: Number.NaN }, { code: "invalid_request", param: "quality" }],
  ])("refuse the routing %j", async (routing, refusal) => {
    const { account } = await room.accounts.create({ name: "Ada" }, "cli");
    const asked = room.accounts.setRouting({ accountId: account.id, ...routing }, "cli");
    await expect(asked).rejects.toMatchObject(refusal);
  });

  it("add up the grants of a period", async () => {
    const { account } = await room.accounts.create({ name: "Ada" }, "cli");
    const grant = { accountId: account.id, creditsMicro: 2_500_000n };
    await room.accounts.grant(grant, "cli");
    expect(await room.accounts.grant({ ...grant, periodId: "2026-11" }, "cli")).toMatchObject({
      account: { id: account.id },
      periodId: "2026-11",
      grantedMicro: 5_000_000n,
    });
    expect(await room.accounts.grant({ ...grant, periodId: "2027-11" }, "cli")).toMatchObject({
      periodId: "2027-11",
      grantedMicro: 2_500_000n,
    });
  });

  it.each(["2026-10", "2027-12", "2026-13x", "soon"])(
    "refuse a grant for %s, when only this month and the next 12 are left",
    async (periodId) => {
      const { account } = await room.accounts.create({ name: "Ada" }, "cli");
      const grant = { accountId: account.id, creditsMicro: 1n, periodId };
      await expect(room.accounts.grant(grant, "cli")).rejects.toMatchObject({
        code: "invalid_request",
        param: "period",
      });
    },
  );

  it("let one of two concurrent grants win and tell the other conflict", async () => {
    const { account } = await room.accounts.create({ name: "Ada" }, "cli");
    const grant = { accountId: account.id, creditsMicro: 1n };
    const results = await Promise.allSettled([
      room.accounts.grant(grant, "cli"),
      room.accounts.grant(grant, "cli"),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(room.directory.account(account.id)?.grants).toMatchObject([{ creditsMicro: 1n }]);
  });

  it("refuse plans and accounts that do not exist", async () => {
    const { accounts } = room;
    const grant = { accountId: nobody, creditsMicro: 1n };
    const { account } = await accounts.create({ name: "Ada" }, "cli");
    await expect(accounts.create({ name: "Eve", plan: "gold" }, "cli")).rejects.toMatchObject({
      code: "invalid_request",
      param: "plan",
      message: expect.stringContaining("free, starter, pro, business, enterprise"),
    });
    await expect(accounts.setPlan(account.id, "gold", "cli")).rejects.toMatchObject({
      code: "invalid_request",
    });
    await expect(accounts.setPlan(nobody, "pro", "cli")).rejects.toMatchObject({
      code: "not_found",
      param: "account_id",
    });
    await expect(accounts.grant(grant, "cli")).rejects.toMatchObject({ code: "not_found" });
  });

  it("list the plans, those without credits of their own as such", () => {
    const { object, data } = room.accounts.plans();
    expect(object).toBe("list");
    expect(data.map(({ id }) => id)).toEqual(["free", "starter", "pro", "business", "enterprise"]);
    expect(data[0]).toMatchObject({ object: "plan", creditsPerMonthMicro: 500_000_000n });
    expect(data[4]?.creditsPerMonthMicro).toBeUndefined();
  });
});
