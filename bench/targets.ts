// Starts what is measured: the mock upstream, the bare proxy, connect-node's echo and the gateway with everything on.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RequestHeaders, runLoad } from "./load.ts";
import { type Running, start } from "./processes.ts";
import { burstModel, pacedModel, slowModel, toBody, unaryModel } from "./requests.ts";

/** One process to send requests to. */
export type Target = {
  readonly process: Running;
  readonly port: number;
  readonly headers: RequestHeaders;
};

/** All that runs. */
export type Targets = {
  readonly upstream: Target;
  readonly bare: Target;
  readonly echo: Target;
  readonly gateway: Target;
  /** From the start of the gateway's process until its first answer, on an empty state. */
  readonly coldStartMs: number;
};

/** The path of chat requests. */
export const chatPath = "/v1/chat/completions";

const listening = /listening (\d+)/;

/** Starts everything with its state in a folder; `note` is told of each process as soon as it runs. */
export async function startTargets(
  folder: string,
  note: (process: Running) => void,
): Promise<Targets> {
  const open = async (args: readonly string[]): Promise<Target> => {
    const process = await start(args, listening);
    note(process);
    return { process, port: Number(process.match[1]), headers: {} };
  };
  const upstream = await open(["bench/mock-upstream.ts"]);
  const bare = await open(["bench/bare-proxy.ts", `http://127.0.0.1:${upstream.port}`]);
  const echo = await open(["bench/grpc-echo.ts"]);
  const startedMs = performance.now();
  const gateway = await startGateway(folder, upstream.port);
  note(gateway.process);
  await runLoad({
    ...gateway,
    path: chatPath,
    body: toBody(unaryModel),
    connections: 1,
    durationMs: 0,
  });
  return { upstream, bare, echo, gateway, coldStartMs: performance.now() - startedMs };
}

/** Starts a gateway with everything on and no limit in the way; its state stays in the folder. */
export async function startGateway(
  folder: string,
  upstreamPort: number,
  workers = 1,
): Promise<Target> {
  const models = [unaryModel, burstModel, pacedModel, slowModel];
  const baseUrl = `http://127.0.0.1:${upstreamPort}/v1`;
  const unlimited = 1_000_000_000;
  const config = {
    providers: [{ name: "bench", kind: "openai", baseUrl, models }],
    models: models.map((name) => ({ name, tier: "free", provider: "bench" })),
    plans: [
      {
        name: "business",
        creditsPerMonth: unlimited,
        requestsPerMinute: unlimited,
        requestsPerDay: unlimited,
        tokensPerMinute: 4 * unlimited,
      },
    ],
  };
  const configFile = join(folder, "config.yaml");
  writeFileSync(configFile, JSON.stringify(config));
  const data = join(folder, "data");
  const process = await start(
    ["src/main.ts", "start", "--workers", `${workers}`],
    /http:\/\/127\.0\.0\.1:(\d+)\/v1/,
    {
      OPTAMIL_CONFIG: configFile,
      OPTAMIL_DATA: data,
      PORT: "0",
    },
  );
  const key = readFileSync(join(data, "first-key"), "utf8").trim();
  return {
    process,
    port: Number(process.match[1]),
    headers: { authorization: `Bearer ${key}` },
  };
}
