// `optamil start`: everything in one process, and the lines that a newcomer needs.
import { parseArgs } from "node:util";
import type { Command, ServingGateway } from "./command.ts";

/** Starts a gateway and prints where it is and how to call it. */
export const start: Command = {
  usage: "start",
  summary: "Start the gateway; prints its base URL and, the first time, a key.",
  async run(words, context) {
    parseArgs({ args: [...words], options: {} });
    await context.serve((gateway) => {
      for (const line of banner(gateway)) context.print(line);
    });
    return 0;
  },
};

function banner(gateway: ServingGateway): string[] {
  const { publicUrl, firstKey, firstKeyFile } = gateway;
  const key = `$(cat ${firstKeyFile})`;
  return [
    "Optamil is ready.",
    `  Base URL   ${publicUrl}/v1`,
    `  Console    ${publicUrl}/`,
    firstKey === undefined
      ? `  Key        in ${firstKeyFile}`
      : `  First key  ${firstKey}\n             (kept in ${firstKeyFile})`,
    `  Providers  ${gateway.providers.join(", ")}`,
    ...gateway.notices.map((notice) => `  Note       ${notice}`),
    "",
    "Try it:",
    `  curl ${publicUrl}/v1/chat/completions \\`,
    `    -H "Authorization: Bearer ${key}" \\`,
    `    -H "Content-Type: application/json" \\`,
    `    -d '{"model": "auto", "messages": [{"role": "user", "content": "Say hello."}]}'`,
    "",
    "Programs for each API: npm run --silent optamil -- examples",
    "",
  ];
}
