import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openRemoteAccounts } from "../../src/cli/remote-accounts.ts";
import { openRemoteMetering } from "../../src/cli/remote-metering.ts";
import {
  type AccountDoors,
  adminKey,
  chatKey,
  openAccountDoors,
} from "../gateway/rpc/account-doors.ts";
import { runWith } from "./fake-context.ts";

describe("the commands through a running gateway", () => {
  let doors: AccountDoors;
  beforeAll(async () => {
    doors = await openAccountDoors();
  });
  afterAll(() => doors.close());

  /** Runs a command with a key of the gateway. */
  const runAs = (key: string, ...words: string[]) =>
    runWith(
      {
        accounts: openRemoteAccounts(doors.url, key),
        metering: openRemoteMetering(doors.url, key),
      },
      ...words,
    );

  it("make an account, put it on a plan and grant it credits", async () => {
    const made = await runAs(adminKey, "accounts", "create", "--name", "Ada", "--json");
    const { id }: { id: string } = JSON.parse(made.printed[0] ?? "").account;
    await runAs(adminKey, "accounts", "set-plan", id, "pro");
    const { printed } = await runAs(adminKey, "accounts", "grant", id, "7.25");
    expect(printed).toEqual([`${id} has 7.25 granted credits in 2026-11`]);
    expect((await runAs(adminKey, "accounts", "list")).printed[1]).toMatch(/ pro .* Ada$/);
    expect((await runAs(adminKey, "plans", "list")).printed).toHaveLength(6);
    const changes = await runAs(adminKey, "changes", "--account", id, "--limit", "2");
    expect(changes.printed[1]).toMatch(/credits\.granted .*grants=\[/);
    expect(changes.printed[2]).toMatch(/admin key id +account\.plan_changed .*plan: free -> pro$/);
    expect(changes.printed[3]).toMatch(/^older ones: --before \d+$/);
  });

  it("refund, ask the warehouse, audit and show the usage", async () => {
    const [account, event] = ["0190b2c4-0000-7000-8000-000000000001", crypto.randomUUID()];
    const refunded = await runAs(adminKey, "accounts", "refund", account, event);
    expect(refunded.printed).toEqual(["refunded 1.5 credits of 2026-11"]);
    expect((await runAs(adminKey, "sql", "SELECT 1", "--json")).printed).toEqual(['{"a":1}']);
    expect(await runAs(adminKey, "audit")).toMatchObject({ code: 1 });
    const usage = (await runAs(adminKey, "usage")).printed;
    expect(usage).toContain("used          2");
    expect(usage[0]).toBe("2026-11-01T00:00:00Z to 2026-11-30T23:59:59Z");
  });

  it("tell in one line what the gateway refuses", async () => {
    expect(await runAs(chatKey, "audit")).toEqual({
      code: 1,
      printed: [],
      warned: ["optamil: This key lacks the scope 'admin'. Create a key that has it."],
    });
    const { code, warned } = await runAs(adminKey, "accounts", "set-plan", "nobody", "pro");
    expect(code).toBe(1);
    expect(warned).toEqual([expect.stringContaining("account_id")]);
  });
});
