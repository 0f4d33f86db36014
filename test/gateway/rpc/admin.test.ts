import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AccountDoors, adminKey, chatKey, openAccountDoors } from "./account-doors.ts";

const accountId = "0190b2c4-0000-7000-8000-000000000001";
const eventId = "0190b2c4-0000-7000-8000-00000000000a";
const asAdmin = { headers: { authorization: `Bearer ${adminKey}` } };
let doors: AccountDoors;

beforeEach(async () => {
  doors = await openAccountDoors();
});
afterEach(() => doors.close());

/** A new account's id. */
async function createAccount(name = "Ada"): Promise<string> {
  const { account } = await doors.admin.createAccount({ name }, asAdmin);
  return account?.id ?? "";
}

describe("AdminService", () => {
  it.each([
    "GET /v1/admin/accounts",
    "POST /v1/admin/accounts",
    `POST /v1/admin/accounts/${accountId}/plan`,
    `POST /v1/admin/accounts/${accountId}/grants`,
    `POST /v1/admin/accounts/${accountId}/refunds`,
    "GET /v1/admin/plans",
    "GET /v1/admin/changes",
    "POST /v1/admin/sql",
    "GET /v1/admin/audit",
    "GET /v1/admin/system",
  ])("refuses %s to a key without scope admin, and to no key at all", async (route) => {
    expect(await doors.rest(chatKey, route)).toMatchObject({ status: 403 });
    expect(await doors.rest(undefined, route)).toMatchObject({ status: 401 });
    expect(doors.asked).toEqual([]);
  });

  it("creates and lists accounts by REST, in the name of the caller's key", async () => {
    const actors: string[] = [];
    doors.room.directory.onChange(({ actor }) => actors.push(actor));
    const made = await doors.rest(adminKey, "POST /v1/admin/accounts", { name: "Ada" });
    expect(made).toMatchObject({
      status: 200,
      body: {
        account: { object: "account", name: "Ada", plan: "free" },
        key: expect.stringMatching(/^key of /),
      },
    });
    expect(actors).toEqual(["admin key id", "admin key id"]);
    await createAccount("Bob");
    expect(await doors.rest(adminKey, "GET /v1/admin/accounts?limit=1")).toMatchObject({
      status: 200,
      body: { object: "list", data: [{ name: "Ada" }], has_more: true },
    });
  });

  it("puts an account on a plan, by REST and by RPC", async () => {
    const id = await createAccount();
    const route = `POST /v1/admin/accounts/${id}/plan`;
    expect(await doors.rest(adminKey, route, { plan: "pro" })).toMatchObject({
      status: 200,
      body: { account: { id, plan: "pro" } },
    });
    const changed = await doors.admin.setAccountPlan({ accountId: id, plan: "starter" }, asAdmin);
    expect(changed.account?.plan).toBe("starter");
  });

  it("grants credits that are written as an exact decimal number", async () => {
    const id = await createAccount();
    const route = `POST /v1/admin/accounts/${id}/grants`;
    await doors.admin.grantCredits({ accountId: id, creditsMicro: 250_000n }, asAdmin);
    expect(await doors.rest(adminKey, route, { credits: 12.5, reason: "sorry" })).toMatchObject({
      status: 200,
      body: { account: { id }, period: "2026-11", granted: 12.75 },
    });
  });

  it.each<[string, object, string]>([
    ["no credits", {}, "credits"],
    ["0 credits", { credits: 0 }, "credits"],
    ["credits below 0", { credits: -1 }, "credits"],
    ["seven decimals", { credits: 0.0000001 }, "credits"],
    ["more than a billion credits", { credits: 1_000_000_001 }, "credits"],
    ["a period that is no month", { credits: 1, period: "2026-13" }, "period"],
    ["a period that is over", { credits: 1, period: "2026-10" }, "period"],
  ])("refuses a grant of %s with 400", async (_name, body, param) => {
    const id = await createAccount();
    const answer = await doors.rest(adminKey, `POST /v1/admin/accounts/${id}/grants`, body);
    expect(answer).toMatchObject({ status: 400, body: { error: { param } } });
    expect(doors.room.directory.account(id)?.grants).toEqual([]);
  });

  it("answers 404 for an account that does not exist", async () => {
    const route = `POST /v1/admin/accounts/${accountId}/grants`;
    expect(await doors.rest(adminKey, route, { credits: 1 })).toMatchObject({ status: 404 });
  });

  it("refunds a request by the id of its event", async () => {
    const route = `POST /v1/admin/accounts/${accountId}/refunds`;
    expect(await doors.rest(adminKey, route, { event_id: eventId })).toEqual({
      status: 200,
      body: { refund_event_id: "refund id", period: "2026-11", refunded: 1.5 },
    });
    expect(doors.asked).toEqual([["refund", accountId, eventId]]);
  });

  it("lists the plans, with null where a contract sets the credits", async () => {
    const { body } = await doors.rest(adminKey, "GET /v1/admin/plans");
    expect(body).toMatchObject({
      object: "list",
      data: [
        {
          id: "free",
          object: "plan",
          credits_per_month: 500,
          requests_per_minute: 10,
          requests_per_day: 200,
          tokens_per_minute: 40_000,
        },
        { id: "starter" },
        { id: "pro" },
        { id: "business" },
        { id: "enterprise", credits_per_month: null },
      ],
    });
  });

  it("lists who changed what, by REST and by RPC", async () => {
    const id = await createAccount();
    await createAccount("Bob");
    await doors.rest(adminKey, `POST /v1/admin/accounts/${id}/plan`, { plan: "pro" });
    const route = `GET /v1/admin/changes?account_id=${id}&limit=1`;
    expect(await doors.rest(adminKey, route)).toMatchObject({
      status: 200,
      body: {
        object: "list",
        data: [
          {
            object: "change",
            sequence: 5,
            created: Date.UTC(2026, 10, 23) / 1_000,
            actor: "admin key id",
            action: "account.plan_changed",
            account_id: id,
            fields: [{ field: "plan", before: "free", after: "pro" }],
          },
        ],
        has_more: true,
      },
    });
    const { data } = await doors.admin.listChanges({ before: 3 }, asAdmin);
    expect(data.map(({ action }) => action)).toEqual(["key.created", "account.created"]);
  });

  it("asks the warehouse, in the default format or in another", async () => {
    const sql = "SELECT 1 AS a";
    expect(await doors.rest(adminKey, "POST /v1/admin/sql", { sql })).toEqual({
      status: 200,
      body: { text: '{"a":1}\n' },
    });
    await doors.admin.queryWarehouse({ sql, format: "CSV" }, asAdmin);
    expect(doors.asked).toEqual([
      ["sql", sql, undefined],
      ["sql", sql, "CSV"],
    ]);
  });

  it("tells what is wrong with a statement", async () => {
    const refused = doors.admin.queryWarehouse({ sql: "DROP" }, asAdmin);
    await expect(refused).rejects.toMatchObject({
      code: Code.InvalidArgument,
      rawMessage: "Only statements that read.",
    });
  });

  it("gives the findings of the audits", async () => {
    expect(await doors.rest(adminKey, "GET /v1/admin/audit")).toEqual({
      status: 200,
      body: {
        object: "list",
        data: [{ audit: "sums", severity: "error", message: "a sum is wrong" }],
      },
    });
  });

  it("tells how the gateway is, with amounts as exact decimal numbers", async () => {
    expect(await doors.rest(adminKey, "GET /v1/admin/system")).toMatchObject({
      status: 200,
      body: {
        version: "1.2.3",
        started_at: 1_700_000_000,
        parts: [{ part: "warehouse", status: "ok", message: "answers" }],
        log: { events: 7, unconfirmed: 2, fill: 0.25 },
        holds: { open: 1, held: 1.5 },
        deployments: [],
        books: { period: "2026-11", accounts: [], drift: 0 },
      },
    });
    expect((await doors.admin.getSystem({}, asAdmin)).holds?.heldMicro).toBe(1_500_000n);
  });
});
