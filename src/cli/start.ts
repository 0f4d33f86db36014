// `optamil start`: everything that serves, and the lines that a newcomer needs.
import type { Command, ServingGateway } from "./command.ts";
import { parseWorkers } from "./workers.ts";

/** Starts a gateway and prints where it is and how to call it. */
export const start: Command = {
  usage: "start [--workers N]",
  summary:
    "Start the gateway; prints its base URL and, the first time, a key. With workers so many processes share its port.",
  async run(words, context) {
    const workers = parseWorkers(words);
    await context.serve({
      workers,
      onReady: (gateway) => {
        for (const line of banner(gateway, workers)) context.print(line);
      },
    });
    return 0;
  },
};

function banner(gateway: ServingGateway, workers: number): string[] {
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
    ...(workers > 1 ? [`  Workers    ${workers}`] : []),
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
