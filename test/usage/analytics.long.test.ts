/** A thousand random charts of each warehouse, beside as many pages of the log and savings as belong to them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { openChdbWarehouse } from "../../src/usage/chdb.ts";
import { openClickHouseWarehouse } from "../../src/usage/clickhouse.ts";
import { describeAnalytics } from "../contracts/analytics.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";

/** Eight of ten are charts. */
const questions = 1_250;

function createFolder(): string {
  return mkdtempSync(join(tmpdir(), "optamil-analytics-"));
}

describeAnalytics("chDB", async () => {
  const path = createFolder();
  return {
    questions,
    open: () => openChdbWarehouse(path),
    remove: async () => rmSync(path, { recursive: true, force: true }),
  };
});

describeAnalytics("chDB with rollups of some days", async () => {
  const path = createFolder();
  return {
    questions,
    open: () => openChdbWarehouse(path, { rowsMin: 5, quietSeconds: 0 }),
    async prepare(warehouse) {
      for (let day = 0; day < 60; day++) expect(await warehouse.rollUp()).toBe(true);
    },
    remove: async () => rmSync(path, { recursive: true, force: true }),
  };
});

await describeWith("ClickHouse", fetchClickHouse, (startClickHouse) => {
  describeAnalytics("ClickHouse", async () => {
    const server = await startClickHouse();
    return {
      questions,
      open: () => openClickHouseWarehouse({ url: server.url }),
      remove: () => server.stop(),
    };
  });
});
