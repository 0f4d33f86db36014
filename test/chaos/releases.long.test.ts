/** A release and the one before it on the same Kafka, ClickHouse and Redis, under load. */
import { existsSync } from "node:fs";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { temporaryFolder } from "../e2e/gateway.ts";
import { openUpstream, playOpenAi } from "../fakes/openai-upstream.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { run } from "../setup/process.ts";
import { projectRoot } from "../setup/runtime.ts";
import { startFleet } from "./fleet.ts";
import { checkFleet, settled } from "./fleet-books.ts";
import { chaosPlan } from "./fleet-kills.ts";
import { Traffic } from "./traffic.ts";

/** The last commit with schema version 2; another one may be named. */
const before = process.env["OPTAMIL_TEST_OLD_RELEASE"] ?? "d15d8d6";
const answersPerStep = 300;

await describeWith("a fleet that is upgraded under load", fetchClickHouse, (startClickHouse) => {
  it("serves with the old release, with both side by side, with the new one, and after a downgrade of one, and its books are exact", async () => {
    const old = await unpack(before);
    const upstream = await openUpstream(playOpenAi);
    onTestFinished(upstream.close);
    const fleet = await startFleet({
      ...{ startClickHouse, gateways: 2, consumers: 2, program: old },
      config: {
        plans: [chaosPlan],
        models: [{ name: "chaos-model", tier: "budget" }],
        providers: [
          { name: "lab", kind: "openai", baseUrl: upstream.baseUrl, models: ["chaos-model"] },
        ],
      },
    });
    onTestFinished(() => fleet.stop());
    const keys = await Promise.all([0, 1, 2].map(() => fleet.openAccount(chaosPlan.name)));
    const traffic = new Traffic({
      ...{ clients: 6, seed: 7 },
      address: async (client) => ({
        url: (await fleet.address(client)).url,
        key: keys[client % keys.length] ?? "",
      }),
    });
    await traffic.more(answersPerStep);

    fleet.program = "src/main.ts";
    const migrated = await fleet.run(["migrate"]);
    expect(migrated, migrated.stderr).toMatchObject({ code: 0 });
    expect(migrated.stdout).toContain("schema version 2 expanded to 3");
    await traffic.more(answersPerStep);
    await fleet.restartConsumer(0, "SIGTERM");
    await traffic.more(answersPerStep);
    // Each release has a gateway and a consumer.
    await fleet.upgradeReplica(0);
    await traffic.more(answersPerStep);
    await fleet.upgradeReplica(1);
    await fleet.restartConsumer(1, "SIGTERM");
    await traffic.more(answersPerStep);
    fleet.program = old;
    await fleet.upgradeReplica(1);
    await fleet.restartConsumer(0, "SIGTERM");
    await traffic.more(answersPerStep);
    await traffic.stop();

    const settledMs = await settled(fleet);
    const called = new Set(upstream.requests.map(({ headers }) => String(headers["x-request-id"])));
    const verdict = await checkFleet(fleet, keys, { received: traffic.received, called });
    const { broken, refused } = traffic;
    console.log(`figure  two releases  ${JSON.stringify({ ...verdict, broken, settledMs })}`);
    expect(verdict).toMatchObject({ lost: 0, doubled: 0 });
    expect([...refused], "refusals by status").toEqual([]);
    fleet.program = "src/main.ts";
    const { code, stdout } = await fleet.run(["audit"]);
    expect({ code, stdout }).toEqual({
      ...{ code: 0, stdout: "Nothing is lost and nothing counts twice.\n" },
    });
  }, 900_000);
});

/** The sources of a commit with this project's packages; gives the path of its program. */
async function unpack(commit: string): Promise<string> {
  const folder = join(await temporaryFolder(), "release");
  await mkdir(folder);
  const script = `git -C "$1" archive "$2" src package.json | tar -x -C "$3"`;
  const words = ["-o", "pipefail", "-c", script, "unpack", projectRoot, commit, folder];
  const { code, stderr } = await run("bash", words);
  const remedy =
    "fetch the history (git fetch --unshallow), or name a commit in OPTAMIL_TEST_OLD_RELEASE";
  expect(code, `commit ${commit} cannot be unpacked: ${remedy}\n${stderr}`).toBe(0);
  await symlink(join(projectRoot, "node_modules"), join(folder, "node_modules"));
  const program = join(folder, "src", "main.ts");
  expect(existsSync(program)).toBe(true);
  return program;
}
