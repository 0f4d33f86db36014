import { expect, it, onTestFinished, vi } from "vitest";
import { writeSchema } from "../../src/usage/kafka/epochs.ts";
import { topicsVersion, usageTopics } from "../../src/usage/kafka/topics.ts";
import { schemaOldest, schemaVersion } from "../../src/usage/statement.ts";
import { bearer } from "../e2e/doors.ts";
import { temporaryFolder } from "../e2e/gateway.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { askWarehouse } from "./books.ts";
import { type Fleet, startFleet } from "./fleet.ts";

vi.setConfig({ testTimeout: 240_000 });

const chat = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };
const [older, newer, next] = [schemaVersion - 1, schemaVersion + 1, schemaVersion + 2];
const missesTables = `ClickHouse has schema version ${older}, and this release needs ${schemaVersion}: run 'optamil migrate' of this release`;
const tooNew = `ClickHouse has schema version ${next}, which needs a release that knows ${next}, and this one knows ${schemaVersion}: run 'optamil' of the newer release`;

await describeWith("the processes of a fleet", fetchClickHouse, (startClickHouse) => {
  it("refuse an older schema in one line, are served by a newer one that adds to theirs, and refuse one that takes away, whenever they see it", async () => {
    const fleet = await startFleet({ startClickHouse, gateways: 1, consumers: 1 });
    onTestFinished(() => fleet.stop());
    const run = (sql: string) => runBeside(fleet, sql);
    const note = (version: number, oldest: number) =>
      run(`INSERT INTO optamil.schema_versions (version, oldest) VALUES (${version}, ${oldest})`);

    // As the release before has left it.
    await run("TRUNCATE TABLE optamil.schema_versions");
    await run("ALTER TABLE optamil.schema_versions DROP COLUMN oldest");
    await run("ALTER TABLE optamil.usage_events DROP COLUMN trace_id, DROP COLUMN span_id");
    await run(`INSERT INTO optamil.schema_versions (version) VALUES (${older})`);
    await expectRefusal(fleet, missesTables);
    const expanded = await fleet.run(["migrate"]);
    expect(expanded, expanded.stderr).toMatchObject({ code: 0 });
    expect(expanded.stdout).toContain(`: schema version ${older} expanded to ${schemaVersion}\n`);
    expect(await run("SELECT version, oldest FROM optamil.schema_versions ORDER BY version")).toBe(
      `${older}\t${older}\n${schemaVersion}\t${schemaOldest}\n`,
    );

    // A release to come adds a column, and serves beside this one.
    await run("ALTER TABLE optamil.usage_events ADD COLUMN to_come String");
    await note(newer, schemaVersion);
    await fleet.killReplica(0);
    await fleet.restartConsumer(0, "SIGKILL");
    await expectServed(fleet);
    const left = await fleet.run(["migrate"]);
    expect(left).toMatchObject({ code: 0 });
    expect(left.stdout).toContain(
      `: schema version ${newer} of a newer release serves this one too, and is left as it is\n`,
    );
    expect(await fleet.run(["doctor"])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`has schema version ${newer} of its tables`),
    });

    // What it takes away later locks this one out.
    await note(next, next);
    await expectRefusal(fleet, tooNew);
    expect(await fleet.run(["migrate"])).toMatchObject({ code: 1, stderr: `optamil: ${tooNew}\n` });
    const { code, stdout } = await fleet.run(["doctor"]);
    expect(code).toBe(1);
    expect(stdout).toContain(tooNew);

    // The topics have a version of their own.
    await run(
      `ALTER TABLE optamil.schema_versions DELETE WHERE version > ${schemaVersion} SETTINGS mutations_sync = 2`,
    );
    const [version, oldest] = [topicsVersion + 2, topicsVersion + 1];
    const connection = { brokers: fleet.kafka.bootstrap, clientId: "test" };
    await writeSchema(connection, usageTopics.meta, { version, oldest });
    await expectRefusal(
      fleet,
      `Kafka has schema version ${version}, which needs a release that knows ${oldest}, and this one knows ${topicsVersion}: run 'optamil' of the newer release`,
    );

    // Nobody asks ClickHouse at a start that is away.
    await writeSchema(connection, usageTopics.meta, { version, oldest: topicsVersion });
    await runBeside(
      fleet,
      `INSERT INTO optamil.schema_versions (version, oldest) VALUES (${next}, ${next})`,
    );
    await fleet.clickhouse.kill();
    await fleet.killReplica(0);
    const { url, process } = await (fleet.replicas[0] ?? expect.unreachable()).serving;
    expect((await sendHttp1(url, { path: "/v1/models", headers: bearer(fleet.key) })).status).toBe(
      200,
    );
    await fleet.clickhouse.restart();
    expect(await process.exited).toMatchObject({ code: 1 });
  });
});

/** A gateway and a consumer, started beside those that run, end with 1 and this line alone. */
async function expectRefusal(fleet: Fleet, line: string): Promise<void> {
  const refused = { code: 1, stdout: "", stderr: `${line}\n` };
  const own = { OPTAMIL_DATA: await temporaryFolder(), PORT: "0" };
  const [gateway, consumer] = [fleet.run(["gateway"], 0, own), fleet.run(["consumer"], 0, own)];
  expect(await gateway).toMatchObject(refused);
  expect(await consumer).toMatchObject(refused);
}

async function expectServed(fleet: Fleet): Promise<void> {
  const address = await fleet.address();
  const { url, key } = address;
  const path = "/v1/chat/completions";
  const reply = await sendHttp1(url, { path, headers: bearer(key), body: chat });
  expect(reply.status, reply.text).toBe(200);
  const id = reply.headers["x-request-id"];
  const stored = async () => {
    const sql = `SELECT toUInt32(count()) AS rows FROM usage WHERE request_id = '${id}'`;
    return (await askWarehouse<{ rows: number }>(address, sql))[0]?.rows;
  };
  await expect.poll(stored, { timeout: 30_000, interval: 100 }).toBe(1);
}

async function runBeside({ clickhouse: { url } }: Fleet, sql: string): Promise<string> {
  const response = await fetch(url, { method: "POST", body: sql });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return text;
}
