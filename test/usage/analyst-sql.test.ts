import { describe, expect, it } from "vitest";
import { parseAccountSql, parseAnalystSql } from "../../src/usage/analyst-sql.ts";

describe("an analyst may", () => {
  it.each([
    "SELECT 1",
    "  select * from usage where account_id = 'o\\'brien; it''s';  ",
    "-- how much\nWITH 1 AS a SELECT a",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SHOW TABLES",
    "describe table usage",
    "EXPLAIN SELECT 1",
    "SELECT 'file', \"tier\", `model` /* into outfile */ FROM usage",
    "SELECT count() FROM usage WHERE outcome = 'kill; file'",
    "SELECT profile, aims FROM usage FORMAT CSV",
    "SELECT 10 / 2 - 1",
  ])("ask %s", (statement) => {
    expect(parseAnalystSql(statement)).toBe(statement.trim().replace(/;$/, ""));
  });
});

describe("an analyst may not", () => {
  it.each([
    ["change anything", "INSERT INTO usage_events SELECT * FROM usage_events"],
    ["change settings", "SET readonly = 0"],
    ["ask nothing", " ; "],
    ["ask two things at once", "SELECT 1; SELECT 2"],
    ["hide the second after a comment", "SELECT 1 -- \n; KILL QUERY WHERE 1"],
    ["read files", "SELECT file('/etc/passwd')"],
    ["read files with a comment between", "SELECT file/**/('/etc/passwd')"],
    ["read files in capitals", "SELECT FILE('/etc/passwd')"],
    ["read files by a quoted name", "SELECT `file`('/etc/passwd')"],
    ["read files by a name with escapes", "SELECT `f\\x69le`('/etc/passwd')"],
    ["write files", "SELECT 1 INTO OUTFILE 'x'"],
    ["write files after a string that seems open", "SELECT '\\'' INTO OUTFILE 'x', '"],
    ["call other hosts", "SELECT aiGenerate('x')"],
    ["use heredocs, which could hide quotes", "SELECT $$ ' $$, file('x') -- '"],
    ["leave a quote open", "SELECT 'abc"],
    ["send a book", `SELECT '${"x".repeat(100_000)}'`],
  ])("%s", (_what, statement) => {
    expect(() => parseAnalystSql(statement)).toThrowError(
      expect.objectContaining({ code: "invalid_request" }),
    );
  });
});

describe("an account may", () => {
  it.each([
    "SELECT * FROM usage",
    "WITH 1 AS a SELECT a",
    "DESCRIBE TABLE usage",
    "SELECT 'system.users' AS text FORMAT CSV",
  ])("ask %s", (statement) => {
    expect(parseAccountSql(statement)).toBe(statement);
  });
});

describe("an account may not", () => {
  it.each([
    ["look at the server", "SELECT * FROM system.processes"],
    ["look at the server by a quoted name", 'SELECT * FROM "system"."processes"'],
    ["look at the server's schema", "SELECT * FROM information_schema.tables"],
    ["look into an index", "SELECT * FROM mergeTreeIndex('optamil', 'usage_events')"],
    ["look at what a statement would read", "EXPLAIN ESTIMATE SELECT * FROM usage_events"],
    ["see who asks what", "SHOW PROCESSLIST"],
    ["see what the server is set to", "SELECT getServerSetting('path')"],
    ["set anything", "SELECT 1 SETTINGS max_execution_time = 0"],
    ["take another role", "SET ROLE ALL"],
    ["read files", "SELECT file('/etc/passwd')"],
    ["hide a statement in a text", "SELECT * FROM eval('SELECT 1')"],
  ])("%s", (_what, statement) => {
    expect(() => parseAccountSql(statement)).toThrowError(
      expect.objectContaining({ code: "invalid_request" }),
    );
  });
});
