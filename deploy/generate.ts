// `npm run generate`: writes the files of this folder that come from the sources.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { generated } from "./generated.ts";

for (const [file, text] of generated()) {
  const path = join(import.meta.dirname, file);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
