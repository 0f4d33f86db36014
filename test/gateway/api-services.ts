/** Every service that the proto files declare, found by reading the generated files: none can be forgotten. */
import { globSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { projectRoot } from "../setup/runtime.ts";

/** All methods of `optamil.v1`, in the order of the files. */
export async function readApiMethods(): Promise<readonly DescMethod[]> {
  const paths = globSync("src/gen/optamil/v1/*_pb.ts", { cwd: projectRoot }).toSorted();
  const modules = await Promise.all(
    paths.map((path) => import(pathToFileURL(join(projectRoot, path)).href)),
  );
  const services = modules.flatMap((module) => Object.values(module).filter(isService));
  return services.flatMap(({ methods }) => methods);
}

function isService(value: unknown): value is DescService {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "service";
}
