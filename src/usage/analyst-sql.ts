// Lets through what an analyst may ask: one statement that reads, and nothing that reaches outside.
import { invalidRequest } from "../platform/errors.ts";

const statementCharsMax = 100_000;
const readingWords = ["select", "with", "show", "describe", "desc", "explain", "exists"];

/**
 * Words that the engine's read-only mode lets through although they reach outside: `file()` reads any file
 * of the machine, INTO OUTFILE writes one, KILL ends other queries, the rest call hosts or load code. Prompts and answers
 * are their accounts' alone; `merge` and `loop` take the name of a database as a text.
 */
const outsideWords =
  /^(file|outfile|kill|eval|merge|loop|optamil_content|catboostevaluate|reversednsquery|ai(classify|embed|extract|generate|translate))$/i;

/**
 * What an account has no need of beside its rows. The roles keep most of it away, but not all: `mergeTreeIndex` shows
 * account ids that row policies hide, and how open `system` is depends on the server.
 */
const serverWords = /^(system|information_schema|mergetree\w*|getserver\w*|getmacro|settings)$/i;
const accountWords = ["select", "with", "describe", "desc"];
const notForAccounts = new RegExp(`${outsideWords.source}|${serverWords.source}`, "i");

// Strings, quoted names, comments, words, anything else. The order matters: a quote begins a string first.
const tokens =
  /'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`|--[^\n]*|\/\*.*?\*\/|[\p{L}_][\p{L}\p{N}_]*|\s+|./gsu;

/** The statement, without a semicolon at its end. Throws `invalid_request`. */
export function parseAnalystSql(text: string): string {
  return parse(text, readingWords, outsideWords);
}

/** The same of a statement that an account asks about its own rows: it reads views and tables, and nothing of the server. */
export function parseAccountSql(text: string): string {
  return parse(text, accountWords, notForAccounts);
}

function parse(text: string, firstWords: readonly string[], refused: RegExp): string {
  if (text.length > statementCharsMax) throw invalidRequest("The statement is too long.");
  const statement = text.trim().replace(/[\s;]+$/, "");
  const code = (statement.match(tokens) ?? []).filter((token) => !/^(\s|--|\/\*)/.test(token));
  const first = code.find((token) => token !== "(")?.toLowerCase() ?? "";
  if (!firstWords.includes(first)) {
    throw invalidRequest(`Only statements that read are taken: ${firstWords.join(", ")}.`);
  }
  for (const token of code) checkToken(token, refused);
  return statement;
}

function checkToken(token: string, refused: RegExp): void {
  if (token === ";") throw invalidRequest("Only one statement at a time is taken.");
  // Heredocs, escapes in names and half-open quotes could hide a word from this check.
  if (/^["'`$#]$/.test(token)) {
    throw invalidRequest(`The statement has a ${token} that is not closed or not taken here.`);
  }
  const quoted = /^["`]/.test(token);
  if (quoted && token.includes("\\")) throw invalidRequest("Escapes in names are not taken.");
  const word = quoted ? token.slice(1, -1) : token;
  if (refused.test(word)) throw invalidRequest(`${word} is not taken here.`);
}
