import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { AccountOperations } from "../../src/cli/command.ts";
import { openLocalAccounts } from "../../src/cli/local-accounts.ts";
import { AccountSchema } from "../../src/gen/optamil/v1/accounts_pb.ts";
import {
  CreateAccountResponseSchema,
  GrantCreditsResponseSchema,
  ListAccountsResponseSchema,
  RefundUsageResponseSchema,
} from "../../src/gen/optamil/v1/admin_pb.ts";
import { createKeyManager } from "../../src/keys/manage.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import { openAccountRoom } from "../directory/account-room.ts";
import { runWith } from "./fake-context.ts";

const ada = create(AccountSchema, {
  id: "0190b2c4-0000-7000-8000-000000000001",
  object: "account",
  name: "Ada",
  plan: "pro",
  created: 1_790_000_000n,
});
const granted = create(GrantCreditsResponseSchema, {
  account: ada,
  periodId: "2026-11",
  grantedMicro: 12_500_000n,
});

/** Operations that keep what they were called with. */
function recorder() {
  const calls: unknown[] = [];
  return {
    calls,
    accounts: {
      list: async (page: object) => {
        calls.push(["list", page]);
        return create(ListAccountsResponseSchema, { object: "list", data: [ada], hasMore: true });
      },
      create: async (account: object) => {
        calls.push(["create", account]);
        return create(CreateAccountResponseSchema, { account: ada, key: "sk-optamil-x" });
      },
      setContentDays: async (accountId: string, days: number) => {
        calls.push(["setContentDays", accountId, days]);
        return ada;
      },
      setRouting: async (routing: Parameters<AccountOperations["setRouting"]>[0]) => {
        calls.push(["setRouting", routing]);
        const { quality, baselineModel } = routing;
        return create(AccountSchema, {
          id: routing.accountId,
          ...(quality !== undefined && { quality }),
          ...(baselineModel !== "" && { baselineModel }),
        });
      },
      setPlan: async (accountId: string, plan: string) => {
        calls.push(["setPlan", accountId, plan]);
        return { ...ada, plan };
      },
      grant: async (grant: object) => {
        calls.push(["grant", grant]);
        return granted;
      },
      close: async () => {
        calls.push(["close"]);
      },
    },
  };
}

describe("optamil accounts", () => {
  it("lists a page as a table, and says where the next one begins", async () => {
    const { accounts, calls } = recorder();
    expect(await runWith({ accounts }, "accounts", "list")).toEqual({
      code: 0,
      printed: [
        `ID                                    PLAN  CREATED     NAME`,
        `${ada.id}  pro   2026-09-21  Ada`,
      ],
      warned: [`There are more: --after ${ada.id}`],
    });
    expect(calls).toEqual([["list", { limit: 100, after: "" }], ["close"]]);
  });

  it("lists a page as JSON", async () => {
    const { accounts, calls } = recorder();
    const words = ["accounts", "list", "--limit", "5", "--after", ada.id, "--json"];
    const { printed, warned } = await runWith({ accounts }, ...words);
    expect(printed.map((line) => JSON.parse(line))).toMatchObject([
      { object: "list", data: [{ id: ada.id, created: 1_790_000_000 }], has_more: true },
    ]);
    expect(warned).toEqual([]);
    expect(calls[0]).toEqual(["list", { limit: 5, after: ada.id }]);
  });

  it("creates an account and prints its id and key", async () => {
    const { accounts, calls } = recorder();
    const { printed } = await runWith({ accounts }, "accounts", "create", "--name", "Ada");
    expect(printed).toEqual([`account  ${ada.id}`, "key      sk-optamil-x"]);
    expect(calls[0]).toEqual(["create", { name: "Ada", plan: "" }]);
  });

  it("creates an account on a plan and prints JSON", async () => {
    const { accounts, calls } = recorder();
    const words = ["accounts", "create", "--name", "Ada", "--plan", "pro", "--json"];
    const { printed } = await runWith({ accounts }, ...words);
    expect(JSON.parse(printed[0] ?? "")).toMatchObject({
      account: { id: ada.id },
      key: "sk-optamil-x",
    });
    expect(calls[0]).toEqual(["create", { name: "Ada", plan: "pro" }]);
  });

  it("puts an account on a plan", async () => {
    const { accounts, calls } = recorder();
    const { printed } = await runWith({ accounts }, "accounts", "set-plan", ada.id, "starter");
    expect(printed).toEqual([`${ada.id} is on plan starter`]);
    expect(calls[0]).toEqual(["setPlan", ada.id, "starter"]);
  });

  it("routes an account, and says what holds where nothing is given", async () => {
    const { accounts, calls } = recorder();
    const words = ["accounts", "set-routing", ada.id];
    const given = await runWith({ accounts }, ...words, "--quality", "0.7", "--baseline", "gpt-5");
    expect(given.printed).toEqual([`${ada.id} is routed at 0.7, savings are against gpt-5`]);
    expect(calls[0]).toEqual([
      ...["setRouting", { accountId: ada.id, quality: 0.7, baselineModel: "gpt-5" }],
    ]);
    const { printed } = await runWith({ accounts }, ...words);
    expect(printed).toEqual([
      `${ada.id} is routed at the gateway's quality, savings are against the strongest model on offer`,
    ]);
  });

  it.each(["1.5", "-0.1", "good", "", "1e-3"])("takes no quality of '%s'", async (quality) => {
    const words = ["accounts", "set-routing", ada.id, `--quality=${quality}`];
    const { code, warned } = await runWith({ accounts: recorder().accounts }, ...words);
    expect(code).toBe(2);
    expect(warned.join("\n")).toContain("--quality takes a number from 0 (cheapest) to 1 (best)");
  });

  it.each([
    ["7", 7, "keeps prompts and answers for 7 days"],
    ["off", 0, "keeps no prompts and answers"],
  ])("says of an account that what is said is kept for: %s", async (said, days, message) => {
    const { accounts, calls } = recorder();
    const { printed } = await runWith({ accounts }, "accounts", "set-content", ada.id, said);
    expect(printed).toEqual([`${ada.id} ${message}`]);
    expect(calls[0]).toEqual(["setContentDays", ada.id, days]);
  });

  it.each(["0", "31", "1.5", "on"])("keeps nothing for '%s' days", async (said) => {
    const words = ["accounts", "set-content", ada.id, said];
    const { code, warned } = await runWith({ accounts: recorder().accounts }, ...words);
    expect(code).toBe(2);
    expect(warned.join("\n")).toContain("say for how many days, 1 to 30, or 'off'");
  });

  it("grants credits with decimals, exactly", async () => {
    const { accounts, calls } = recorder();
    const words = ["accounts", "grant", ada.id, "12.5", "--period", "2026-11", "--reason", "sorry"];
    const { printed } = await runWith({ accounts }, ...words);
    expect(printed).toEqual([`${ada.id} has 12.5 granted credits in 2026-11`]);
    const grant = { accountId: ada.id, creditsMicro: 12_500_000n };
    expect(calls[0]).toEqual(["grant", { ...grant, periodId: "2026-11", reason: "sorry" }]);
    const asJson = await runWith({ accounts }, "accounts", "grant", ada.id, "12.5", "--json");
    expect(JSON.parse(asJson.printed[0] ?? "")).toMatchObject({ period: "2026-11", granted: 12.5 });
  });

  it("refunds a request through the gateway that runs", async () => {
    const calls: unknown[] = [];
    const metering = {
      refund: async (accountId: string, eventId: string) => {
        calls.push([accountId, eventId]);
        return create(RefundUsageResponseSchema, {
          refundEventId: "refund",
          periodId: "2026-11",
          refundedMicro: 1_000_000n,
        });
      },
    };
    const words = ["accounts", "refund", ada.id, "event"];
    expect(await runWith({ metering }, ...words)).toMatchObject({
      code: 0,
      printed: ["refunded 1 credits of 2026-11"],
    });
    const asJson = await runWith({ metering }, ...words, "--json");
    expect(JSON.parse(asJson.printed[0] ?? "")).toEqual({
      refund_event_id: "refund",
      period: "2026-11",
      refunded: 1,
    });
    expect(calls).toEqual([
      [ada.id, "event"],
      [ada.id, "event"],
    ]);
  });

  it.each([
    [
      ["accounts"],
      "say 'list', 'create', 'invite', 'set-plan', 'set-routing', 'set-content', 'grant', 'refund', 'keys' or 'revoke-key'",
    ],
    [["accounts", "toString"], "say 'list'"],
    [["accounts", "create"], "--name is missing"],
    [["accounts", "list", "--limit", "0"], "--limit takes a whole number from 1 to 1000"],
    [["accounts", "list", "--limits", "5"], "--limits"],
    [["accounts", "set-plan", "id"], "name an account id and a plan"],
    [["accounts", "refund", "id", "event", "more"], "name an account id and an event id"],
    [["accounts", "grant", "id", "0"], "credits are a number above 0"],
    [["accounts", "grant", "id", "0.0000001"], "up to 6 decimals"],
    [["accounts", "grant", "id", "1e3"], "credits are a number"],
    [["accounts", "grant", "id", ""], "credits are a number"],
  ])("called wrongly as %j says what to do, with exit code 2", async (words, message) => {
    const { code, printed, warned } = await runWith({}, ...words);
    expect({ code, printed }).toEqual({ code: 2, printed: [] });
    expect(warned[0]).toContain(message);
  });

  it("tells a refusal in one line, with exit code 1, and closes what it opened", async () => {
    const { accounts, calls } = recorder();
    const setPlan = async () => {
      throw new OptamilError("not_found", "There is no account with that id.");
    };
    const words = ["accounts", "set-plan", "id", "pro"];
    expect(await runWith({ accounts: { ...accounts, setPlan } }, ...words)).toEqual({
      code: 1,
      printed: [],
      warned: ["optamil: There is no account with that id."],
    });
    expect(calls).toEqual([["close"]]);
  });
});

describe("optamil accounts without a gateway", () => {
  it("works on the data itself, in the name of cli", async () => {
    const room = await openAccountRoom();
    const actors = new Set<string>();
    room.directory.onChange(({ actor }) => actors.add(actor));
    const { directory: store, clock } = room;
    const issuer = { issueKey: () => expect.unreachable() };
    const accounts = openLocalAccounts(
      room.accounts,
      createKeyManager({ store, issuer, clock }),
      async () => expect.unreachable(),
      async () => {},
    );
    const made = await runWith({ accounts }, "accounts", "create", "--name", "Ada", "--json");
    const { id }: { id: string } = JSON.parse(made.printed[0] ?? "").account;
    await runWith({ accounts }, "accounts", "set-plan", id, "pro");
    await runWith({ accounts }, "accounts", "grant", id, "7");
    const { printed } = await runWith({ accounts }, "accounts", "grant", id, "0.25");
    expect(printed).toEqual([`${id} has 7.25 granted credits in 2026-11`]);
    expect((await runWith({ accounts }, "accounts", "list")).printed[1]).toContain(`${id}  pro`);
    expect((await runWith({ accounts }, "plans", "list")).printed).toHaveLength(6);
    const [key] = JSON.parse(
      (await runWith({ accounts }, "accounts", "keys", id, "--json")).printed[0] ?? "",
    );
    expect(key).toMatchObject({ name: "first key", revoked_at: null });
    const revoked = await runWith({ accounts }, "accounts", "revoke-key", id, key.id);
    expect(revoked.printed).toEqual([`revoked ${key.id}`]);
    const shown = await runWith({ accounts }, "accounts", "keys", id);
    expect(shown.printed[1]).toContain("revoked 2026-");
    expect((await runWith({ accounts }, "accounts", "keys", "no-id")).code).toBe(1);
    expect(actors).toEqual(new Set(["cli"]));
    await room.close();
  });
});
