/** Users, roles and row policies of a ClickHouse server, out of the very statements that a fleet's migration runs. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readStatement } from "../../src/usage/statement.ts";

/** The user by whom accounts ask SQL. */
export const sqlUser = { username: "optamil_sql", password: "a secret of accounts' SQL" };

/**
 * Writes the configuration of a server that has user `default`, who may do everything, and `sqlUser`, who has the role
 * optamil_analyst and those of the accounts. The engine of chDB keeps roles and policies only where its configuration has
 * them, so the statements' parts are put there as they are: what is granted, who sees which rows, and the settings.
 *
 * @returns the path of the configuration.
 */
export function writeAccess(folder: string, accountIds: readonly string[]): string {
  mkdirSync(folder, { recursive: true });
  const [, granted = ""] = /(SELECT ON \S+) TO/.exec(readStatement("analyst-grant")) ?? [];
  const [, settings = ""] = /SETTINGS ([^;]+)/.exec(readStatement("analyst-role")) ?? [];
  const policies = (["analyst-policy", "records-policy"] as const).map((name) => {
    const pattern = /ON optamil\.(\w+)\s+FOR SELECT USING (.+) TO optamil_analyst/;
    const [, table = "", filter = ""] = pattern.exec(readStatement(name)) ?? [];
    return element(table, element("filter", toXml(filter)));
  });
  const roles = accountIds.map((accountId) => `optamil_account_${accountId}`);
  const user = [
    element("password", toXml(sqlUser.password)),
    element("networks", element("ip", "::/0")),
    element("profile", "analyst"),
    element("quota", "default"),
    element("grants", ["optamil_analyst", ...roles].map((role) => grant(`\`${role}\``)).join("")),
    element("databases", element("optamil", policies.join(""))),
  ];
  const operator = [
    element("password", ""),
    element("networks", element("ip", "::/0")),
    element("profile", "default"),
    element("quota", "default"),
    element("access_management", "1"),
  ];
  const users = join(folder, "users.xml");
  write(users, [
    element("profiles", element("default", "") + element("analyst", toSettings(settings))),
    element("quotas", element("default", "")),
    element(
      "users",
      element("default", operator.join("")) + element(sqlUser.username, user.join("")),
    ),
    element(
      "roles",
      element("optamil_analyst", element("grants", grant(granted))) +
        roles.map((role) => element(role, "")).join(""),
    ),
  ]);
  const config = join(folder, "config.xml");
  write(config, [element("users_config", toXml(users))]);
  return config;
}

/** The role's settings; those of a user who only reads cannot be changed by him, whether they are CONST or not. */
function toSettings(text: string): string {
  return text
    .split(",")
    .map((setting) => {
      const [, name = "", value = ""] = /(\w+) = (\d+)/.exec(setting) ?? [];
      return element(name, value);
    })
    .join("");
}

function grant(what: string): string {
  return element("query", `GRANT ${toXml(what)}`);
}

function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`;
}

function toXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function write(path: string, elements: readonly string[]): void {
  writeFileSync(path, element("clickhouse", elements.join("\n")));
}
