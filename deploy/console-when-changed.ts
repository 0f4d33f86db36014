// Before `npm start`: builds the console where it is missing or older than its sources. Whatever happens, the start goes on.
import { buildConsole, consoleIsFresh } from "./console.ts";

try {
  if (!(await consoleIsFresh())) {
    process.stdout.write("Building the web console…\n");
    await buildConsole();
  }
} catch (error) {
  const [why] = String(error).split("\n");
  process.stderr.write(
    `The web console was not built (npm run build tells more); an older one or a plain page stands in: ${why}\n`,
  );
}
