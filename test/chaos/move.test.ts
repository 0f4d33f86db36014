import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { open } from "lmdb";
import { afterAll, expect, it, vi } from "vitest";
import { type FleetSettings, type Services, writeFleetConfig } from "../../deploy/fleet/fleet.ts";
import { decodeEvent, toEventIdText } from "../../src/usage/event.ts";
import { openTables } from "../../src/usage/lmdb-tables.ts";
import { bearer } from "../e2e/doors.ts";
import { type Gateway, runOptamil, startGateway } from "../e2e/gateway.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { startProcess } from "../setup/process.ts";
import { runtimeCommand } from "../setup/runtime.ts";
import { askWarehouse, readDisk } from "./books.ts";
import { Fleet, fleetSettings, startServices } from "./fleet.ts";
import { accountOf } from "./fleet-books.ts";
import { chaosPlan } from "./fleet-kills.ts";

vi.setConfig({ testTimeout: 240_000 });

/** Models of several tiers, so that the sums have parts. */
const models = ["gemini-2.5-flash", "gpt-4.1-mini", "claude-sonnet-4", "auto"];
const config = { plans: [chaosPlan] };
const messages = [{ role: "user", content: "Say hello." }];

await describeWith("a gateway that was alone", fetchClickHouse, (startClickHouse) => {
  let services: Services;
  let environment: Record<string, string>;
  let gateway: Gateway;
  let fleet: Fleet | undefined;
  let settings: FleetSettings;
  /** Keys of the three accounts, and what each has used in micro-credits by its own log. */
  let keys: string[] = [];
  let revoked = "";

  afterAll(async () => {
    if (fleet !== undefined) return fleet.stop();
    await Promise.all([services.clickhouse.stop(), services.redis.stop(), services.kafka.stop()]);
  });

  const move = (...words: string[]) =>
    runOptamil(["move", ...words], gateway.dataDirectory, environment);

  /** Runs the move until it has printed such a line, and kills it there. */
  async function moveUntil(line: RegExp): Promise<void> {
    const { command, args } = runtimeCommand("src/main.ts", ["move"]);
    const env = { ...environment, OPTAMIL_DATA: gateway.dataDirectory };
    const process = await startProcess(command, args, {
      env,
      readyLine: line,
      readyTimeoutMs: 60_000,
    });
    expect(await process.kill()).toMatchObject({ signal: "SIGKILL" });
  }

  async function chat(url: string, key: string, turn: number): Promise<number> {
    const body = { model: models[turn % models.length], messages, stream: turn % 3 === 0 };
    const path = "/v1/chat/completions";
    return (await sendHttp1(url, { path, headers: bearer(key), body })).status;
  }

  async function serve(url: string, count: number): Promise<void> {
    for (let turn = 0; turn < count; ) {
      const some = Array.from({ length: Math.min(20, count - turn) }, () => turn++);
      const statuses = some.map((one) => chat(url, keys[one % keys.length] ?? "", one));
      expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]));
    }
  }

  async function ask(path: string, method: string, body?: object, key = gateway.key) {
    const reply = await sendHttp1(gateway.url, {
      path,
      method,
      headers: bearer(key),
      ...(body && { body }),
    });
    expect(reply.status, reply.text).toBe(200);
    return JSON.parse(reply.text);
  }

  it("serves a few hundred requests, and is not moved meanwhile", async () => {
    services = await startServices({ startClickHouse });
    settings = await fleetSettings(services, { config });
    environment = {
      OPTAMIL_CONFIG: await writeFleetConfig(settings),
      OPTAMIL_SIGNING_KEYS: join(settings.folder, "signing-keys"),
    };
    gateway = await startGateway({ config });
    const opened = [
      { name: "one", plan: chaosPlan.name },
      { name: "two", plan: chaosPlan.name },
    ].map((account) => ask("/v1/admin/accounts", "POST", account));
    keys = [gateway.key, ...(await Promise.all(opened)).map(({ key }) => String(key))];
    const [, one = ""] = keys;
    const grant = { credits: 77, reason: "test" };
    await ask(`/v1/admin/accounts/${accountOf(one)}/grants`, "POST", grant);
    await ask("/v1/budgets/tag:job", "PUT", { credits: 5 }, one);
    const { key, info } = await ask("/v1/keys", "POST", { name: "gone" }, one);
    revoked = key;
    await ask(`/v1/keys/${info.id}`, "DELETE", undefined, one);
    await serve(gateway.url, 300);
    const { code, stdout, stderr } = await move();
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toBe(
      `OPTAMIL_DATA: the gateway at ${gateway.url} already serves ${gateway.dataDirectory}; stop it or name another folder\n`,
    );
  });

  it("is moved after a kill, in three runs of which two are killed, and nothing is lost or doubled", async () => {
    await freezeConsumer(gateway);
    await serve(gateway.url, 40);
    const running = Array.from({ length: 40 }, (_, turn) =>
      chat(gateway.url, gateway.key, turn).catch(() => 0),
    );
    await Promise.race(running);
    await gateway.kill();
    await Promise.all(running);

    await moveUntil(/^rows: /);
    await moveUntil(/^tail: \d+ events sent/);
    const { code, stdout, stderr } = await move("--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await readDisk(gateway.dataDirectory)).toMatchObject({ openHolds: 0 });
    const own = await readOwnBooks(gateway.dataDirectory);
    expect(own.events).toBeGreaterThanOrEqual(340);
    expect(stepsOf(stdout)["check"]).toEqual([
      `usage: ${own.events} rows with ${own.micro} micro-credits of 3 accounts, 0 sums differ`,
      "directory: 0 accounts and keys differ",
    ]);

    fleet = new Fleet(settings, environment["OPTAMIL_CONFIG"] ?? "", gateway.key);
    await Promise.all([fleet.addConsumers(1), fleet.addReplicas(1)]);
    await expectFleet(fleet, own);
  });

  it("has the same keys, grants and budgets in the fleet, and goes on there to the unit", async () => {
    const { url } = await present(fleet).address();
    const [, one = ""] = keys;
    const usage = await usageAt(url, one);
    expect(usage.credits_total).toBe(chaosPlan.creditsPerMonth + 77);
    const budgets = await sendHttp1(url, { path: "/v1/budgets", headers: bearer(one) });
    expect(JSON.parse(budgets.text).data).toMatchObject([{ id: "tag:job", credits: 5 }]);
    expect(await chat(url, revoked, 0)).toBe(401);
    expect(await chat(url, one, 0)).toBe(200);
    expect((await usageAt(url, one)).credits_used).toBe(usage.credits_used + 1);
  });

  it("does not serve alone any more, unless its operator says so", async () => {
    const file = join(gateway.dataDirectory, "moved.json");
    const { at } = JSON.parse(await readFile(file, "utf8"));
    const { code, stderr } = await runOptamil(["start"], gateway.dataDirectory);
    expect(code).toBe(1);
    expect(stderr).toBe(
      `OPTAMIL_DATA: ${gateway.dataDirectory} was moved to the fleet at ${services.kafka.bootstrap.join(", ")} (${at}): run 'optamil gateway', or remove ${file} to go on alone\n`,
    );
  });

  it("is moved again while the fleet serves: all is there, and what it has served alone since comes along", async () => {
    const again = await move("--json");
    expect(again, again.stderr).toMatchObject({ code: 0 });
    const steps = stepsOf(again.stdout);
    expect(steps["rows"]?.join()).toMatch(/^\d{4}-\d\d: \d+ are there$/);
    expect(steps["directory"]?.[0]).toMatch(/^0 records copied/);
    expect(steps["tail"]?.join()).toMatch(/^0 events sent, \d+ are there$/);

    await rm(join(gateway.dataDirectory, "moved.json"));
    gateway = await startGateway({ config, dataDirectory: gateway.dataDirectory });
    await serve(gateway.url, 30);
    await gateway.stop();
    const { code, stderr } = await move();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const own = await readOwnBooks(gateway.dataDirectory);
    // One request was the fleet's own.
    const account = accountOf(keys[1] ?? "");
    const micro = (own.microByAccount.get(account) ?? 0) + 1_000_000;
    const microByAccount = new Map([...own.microByAccount, [account, micro]]);
    await expectFleet(present(fleet), { ...own, events: own.events + 1, microByAccount });
  });

  it("ends with 1 and the sum that differs when the fleet has another one", async () => {
    const [account, period] = (
      await query(
        "SELECT any(account_id), any(period_id) FROM optamil.usage_events WHERE tier = 'mid' FORMAT TSV",
      )
    )
      .trim()
      .split("\t");
    await query(`INSERT INTO optamil.usage_events
      SELECT * REPLACE (generateUUIDv7() AS event_id, 5 AS credits_micro)
      FROM optamil.usage_events WHERE tier = 'mid' AND account_id = '${account}' LIMIT 1`);
    const { code, stderr } = await move();
    expect(code).toBe(1);
    const sum = "(\\d+) rows with (\\d+) micro-credits";
    const line = new RegExp(
      `^account ${account} ${period} tier mid: ${sum} here, ${sum} in the fleet\n$`,
    );
    const [, rows = 0, micro = 0, rowsThere, microThere] = line.exec(stderr) ?? [];
    expect([rowsThere, microThere], stderr).toEqual([
      `${Number(rows) + 1}`,
      `${Number(micro) + 5}`,
    ]);
  });

  async function query(sql: string): Promise<string> {
    const response = await fetch(services.clickhouse.url, { method: "POST", body: sql });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    return text;
  }

  /** The fleet has each event once, and each account has used what its own log says. */
  async function expectFleet(served: Fleet, own: OwnBooks): Promise<void> {
    const admin = await served.address();
    const [row] = await askWarehouse<{ events: number; ids: number }>(
      admin,
      "SELECT toUInt32(count()) AS events, toUInt32(uniqExact(event_id)) AS ids FROM usage_events FINAL WHERE kind = 'request'",
    );
    expect(row).toEqual({ events: own.events, ids: own.events });
    for (const key of keys) {
      const used = async () => Math.round((await usageAt(admin.url, key)).credits_used * 1e6);
      await expect
        .poll(used, { timeout: 20_000, interval: 100 })
        .toBe(own.microByAccount.get(accountOf(key)));
      const { credits_used, tier_breakdown } = await usageAt(admin.url, key);
      const tiers = Object.values<number>(tier_breakdown).reduce((sum, tier) => sum + tier, 0);
      expect(tiers).toBe(credits_used);
    }
    // Rows that were copied again are there twice until ClickHouse merges them.
    await query("OPTIMIZE TABLE optamil.usage_events FINAL");
    const audited = await served.run(["audit"]);
    expect(audited).toMatchObject({
      code: 0,
      stdout: "Nothing is lost and nothing counts twice.\n",
    });
  }
});

/** What a gateway's own usage log says, event by event. */
type OwnBooks = {
  readonly events: number;
  readonly micro: number;
  readonly microByAccount: ReadonlyMap<string, number>;
};

async function readOwnBooks(dataDirectory: string): Promise<OwnBooks> {
  const env = open({ path: join(dataDirectory, "usage"), readOnly: true, maxDbs: 8 });
  const events = new Map<string, { rev: number; accountId: string; micro: number }>();
  for (const { value } of openTables(env).log.getRange({})) {
    const { eventId, rev, accountId, creditsMicro } = decodeEvent(value);
    const id = toEventIdText(eventId);
    const micro = Number(creditsMicro);
    if ((events.get(id)?.rev ?? -1) <= rev) events.set(id, { rev, accountId, micro });
  }
  await env.close();
  const microByAccount = new Map<string, number>();
  for (const { accountId, micro } of events.values()) {
    microByAccount.set(accountId, (microByAccount.get(accountId) ?? 0) + micro);
  }
  const micro = [...microByAccount.values()].reduce((sum, one) => sum + one, 0);
  return { events: events.size, micro, microByAccount };
}

async function usageAt(url: string, key: string) {
  const reply = await sendHttp1(url, { path: "/v1/usage", headers: bearer(key) });
  expect(reply.status, reply.text).toBe(200);
  return JSON.parse(reply.text);
}

/** Messages by step, of a run with --json. */
function stepsOf(stdout: string): Record<string, string[]> {
  const lines = stdout.trim().split("\n");
  const steps = lines.map((line): { step: string; message: string } => JSON.parse(line));
  const grouped = Map.groupBy(steps, ({ step }) => step);
  return Object.fromEntries(
    [...grouped].map(([step, all]) => [step, all.map(({ message }) => message)]),
  );
}

/** Its consumer takes nothing any more, so that the log has a tail. */
async function freezeConsumer({ process: { pid } }: Gateway): Promise<void> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim();
  expect(children).toMatch(/^\d+$/);
  process.kill(Number(children), "SIGSTOP");
}

function present<Value>(value: Value | undefined): Value {
  return value ?? expect.unreachable();
}
