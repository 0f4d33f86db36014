/** nginx in front of gateways on one machine, with the configuration of deploy/nginx. */
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { debianTool } from "../../test/setup/debian-tool.ts";
import { type RunningProcess, run, startProcess } from "../../test/setup/process.ts";
import { projectRoot } from "../../test/setup/runtime.ts";

/** Settings of `startProxy`. */
export type ProxySettings = {
  /** An empty folder for its configuration and temporary files. */
  readonly folder: string;
  readonly gatewayPorts: readonly number[];
  /** What it listens to, as nginx' directive says it. */
  readonly listen: readonly string[];
  /** PEM files of a proxy that speaks TLS. Default: none, it speaks cleartext. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly logFile?: string | undefined;
};

const openTimeoutMs = 10_000;

/** Starts nginx; resolves when it listens. Throws `MissingToolError`, and what nginx has to say of its configuration. */
export async function startProxy(settings: ProxySettings): Promise<RunningProcess> {
  const nginx = await debianTool("nginx");
  const file = await writeConfiguration(settings);
  const checked = await run(nginx, ["-t", "-c", file]);
  // Since nginx 1.25 `listen … http2` is told to be old; before it there is nothing else.
  if (checked.code !== 0 || /\[warn\](?!.*"listen \.\.\. http2")/.test(checked.stderr)) {
    throw new Error(`nginx: ${checked.stderr}`);
  }
  const started = await startProcess(nginx, ["-c", file], { logFile: settings.logFile });
  await untilOpen(started, settings.listen[0]?.split(" ")[0] ?? "");
  return started;
}

/** Resolves when nginx has its port; rejects with its last words if it ends before. */
async function untilOpen(nginx: RunningProcess, address: string): Promise<void> {
  const [host, port] = address.split(":");
  const ended = nginx.exited.then(() => {
    throw new Error(`nginx: ${nginx.stderr()}`);
  });
  const opened = async () => {
    const endMs = performance.now() + openTimeoutMs;
    while (performance.now() < endMs) {
      const socket = connect(Number(port), host);
      try {
        return await once(socket, "connect");
      } catch {
        await wait(20);
      } finally {
        socket.destroy();
      }
    }
    throw new Error(`nginx does not listen at ${address} after ${openTimeoutMs} ms`);
  };
  await Promise.race([opened(), ended]);
}

/** The site of deploy/nginx for these gateways, in a configuration of its own. */
async function writeConfiguration(settings: ProxySettings): Promise<string> {
  const { folder, gatewayPorts, listen, tls } = settings;
  const own = await readFile(join(projectRoot, "deploy/nginx/optamil.conf"), "utf8");
  const site = own
    .replace(/^ *server 127\.0\.0\.1:8080(.*)$/gm, (_line, rest: string) =>
      gatewayPorts.map((port) => `server 127.0.0.1:${port}${rest}`).join("\n"),
    )
    .replace(/^ *listen .*$/m, listen.map((words) => `listen ${words};`).join("\n"))
    .replace(/^ *ssl_certificate(_key)? .*$/gm, (_line, key?: string) =>
      tls ? `ssl_certificate${key ?? ""} ${key ? tls.keyFile : tls.certFile};` : "",
    )
    .replaceAll(
      "/etc/nginx/optamil-proxy.conf",
      join(projectRoot, "deploy/nginx/optamil-proxy.conf"),
    );
  if (/^[^#]*\/etc\/nginx/m.test(site)) throw new Error("deploy/nginx names another file of /etc");
  await writeFile(join(folder, "site.conf"), site);
  const temporary = join(folder, "temporary");
  await mkdir(temporary);
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(temporary, name)};`,
  );
  const file = join(folder, "nginx.conf");
  // Only root may say as whom its workers run: as itself, since nobody else may read the folder.
  const { uid, username } = userInfo();
  await writeFile(
    file,
    `daemon off; pid ${join(folder, "nginx.pid")}; error_log stderr;
     ${uid === 0 ? `user ${username};` : ""}
     events { worker_connections 4096; }
     http { access_log off; ${paths.join(" ")} include ${join(folder, "site.conf")}; }`,
  );
  return file;
}
