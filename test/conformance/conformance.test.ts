import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { describeWith } from "../setup/describe-with.ts";
import { goTool } from "../setup/go-tool.ts";
import { run } from "../setup/process.ts";
import { type Runtime, runtimeCommand } from "../setup/runtime.ts";
import { conformanceImage } from "./protos.ts";

const server = fileURLToPath(new URL("./server.ts", import.meta.url));
const config = fileURLToPath(new URL("./config.yaml", import.meta.url));
const casesMin = 4_000;
const timeoutMs = 300_000;

const fetchTools = async () => ({
  tool: await goTool("connectconformance"),
  image: await conformanceImage(),
});

await describeWith("the one port", fetchTools, ({ tool, image }) => {
  it.each<Runtime>(["node", "deno"])(
    "speaks Connect, gRPC and gRPC-Web as connectconformance wants it, on %s",
    { timeout: timeoutMs },
    async (runtime) => {
      const { command, args: serverArgs } = runtimeCommand(server, [image], runtime);
      const args = ["--mode", "server", "--conf", config, "--", command, ...serverArgs];
      const { stdout, stderr } = await run(tool, args, { timeoutMs });
      const report = `${stdout}${stderr}`;
      const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(report) ?? [];
      expect(failed, report.slice(-4_000)).toBe("0");
      expect(Number(passed)).toBeGreaterThan(casesMin);
    },
  );
});
