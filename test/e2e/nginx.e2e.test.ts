import { join } from "node:path";
import { startProxy } from "../../deploy/fleet/proxy.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { projectRoot } from "../setup/runtime.ts";
import { temporaryFolder } from "./gateway.ts";
import { keepsAllDoorsIntact } from "./proxy.ts";

await describeWith(
  "behind nginx with the configuration of deploy/nginx",
  () => debianTool("nginx"),
  () => {
    keepsAllDoorsIntact(async (gatewayPort, port) => {
      const certificates = join(projectRoot, "test/fakes");
      await startProxy({
        folder: await temporaryFolder(),
        gatewayPorts: [gatewayPort],
        listen: [`127.0.0.1:${port} ssl http2`],
        tls: {
          certFile: join(certificates, "localhost.cert.pem"),
          keyFile: join(certificates, "localhost.key.pem"),
        },
      });
    });
  },
);
