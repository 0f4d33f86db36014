// The version of the state in a gateway's data folder, noted in its usage log: whether this release may open it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { open, type RootDatabase } from "lmdb";
import type { SchemaState } from "../platform/schema.ts";

/** Raised when a release adds to the folder something that the one before may pass over. */
export const stateVersion = 1;
/** Raised, to a version, when releases that do not know that one would read the folder wrongly. */
export const stateOldest = 1;

const unnoted: SchemaState = { version: 0, oldest: 0 };

const openMeta = (env: RootDatabase) =>
  env.openDB<number, string>({ name: "meta", encoding: "ordered-binary" });

/**
 * The version of a usage log's folder that nobody of this process has open; 0 where there is none, or where a release
 * from before versions has made it. Changes nothing.
 */
export async function readStateVersion(path: string): Promise<SchemaState> {
  if (!existsSync(join(path, "data.mdb"))) return unnoted;
  const env = open({ path, maxDbs: 8, readOnly: true, overlappingSync: false });
  try {
    const meta = openMeta(env);
    return { version: meta?.get("schema") ?? 0, oldest: meta?.get("schemaOldest") ?? 0 };
  } finally {
    await env.close();
  }
}

/** Notes that this release has made what is in the folder, unless a newer one has, which serves this one too. */
export function noteStateVersion(meta: ReturnType<typeof openMeta>): void {
  if ((meta.get("schema") ?? 0) >= stateVersion) return;
  meta.putSync("schema", stateVersion);
  meta.putSync("schemaOldest", stateOldest);
}
