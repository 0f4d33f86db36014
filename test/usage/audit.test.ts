import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Session } from "chdb";
import { openChdbWarehouse } from "../../src/usage/chdb.ts";
import { describeAudits } from "../contracts/audit.ts";

describeAudits("chDB", async () => {
  const path = mkdtempSync(join(tmpdir(), "optamil-audit-"));
  const warehouse = await openChdbWarehouse(path);
  const hand = new Session(path);
  return {
    warehouse,
    tamper: (statement) => hand.queryAsync(statement),
    remove: async () => {
      hand.close();
      await warehouse.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
});
