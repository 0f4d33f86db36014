// `npm run generate`: writes the files of this folder that come from the sources.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generated } from "./generated.ts";

for (const [file, text] of generated()) await writeFile(join(import.meta.dirname, file), text);
