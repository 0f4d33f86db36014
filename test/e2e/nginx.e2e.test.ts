import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { run, startProcess } from "../setup/process.ts";
import { projectRoot } from "../setup/runtime.ts";
import { temporaryFolder } from "./gateway.ts";
import { keepsAllDoorsIntact } from "./proxy.ts";

await describeWith(
  "behind nginx with the configuration of deploy/nginx",
  () => debianTool("nginx"),
  (nginx) => {
    keepsAllDoorsIntact(async (gatewayPort, port) => {
      const main = await writeNginxConfig(gatewayPort, port);
      const checked = await run(nginx, ["-t", "-c", main]);
      expect(checked.code, checked.stderr).toBe(0);
      expect(checked.stderr).not.toMatch(/warn|emerg/);
      await startProcess(nginx, ["-c", main]);
    });
  },
);

/** The files of deploy/nginx with a test's ports and certificate, in a configuration of their own. */
async function writeNginxConfig(gatewayPort: number, port: number): Promise<string> {
  const folder = await temporaryFolder();
  const certificates = join(projectRoot, "test/fakes");
  const proxy = join(projectRoot, "deploy/nginx/optamil-proxy.conf");
  const own = await readFile(join(projectRoot, "deploy/nginx/optamil.conf"), "utf8");
  const site = own
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${gatewayPort}`)
    .replace("listen 443", `listen 127.0.0.1:${port}`)
    .replace("/etc/nginx/optamil.crt", join(certificates, "localhost.cert.pem"))
    .replace("/etc/nginx/optamil.key", join(certificates, "localhost.key.pem"))
    .replaceAll("/etc/nginx/optamil-proxy.conf", proxy);
  expect(site).not.toMatch(/^[^#]*\/etc\/nginx/m);
  await writeFile(join(folder, "site.conf"), site);
  await mkdir(join(folder, "temp"));
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(folder, "temp", name)};`,
  );
  const main = join(folder, "nginx.conf");
  await writeFile(
    main,
    `daemon off; pid ${join(folder, "nginx.pid")}; error_log stderr;
     events { worker_connections 256; }
     http { access_log off; ${temp.join(" ")} include ${join(folder, "site.conf")}; }`,
  );
  return main;
}
