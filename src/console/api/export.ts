// Saves the log of requests as a file.

import type { LoggedRequest } from "../../gen/optamil/v1/analytics_pb.ts";
import { toCreditsText } from "../format/credits.ts";
import { analyticsClient } from "./analytics.ts";

/** Rows of one file: what a browser holds with ease. */
export const exportRowsMax = 100_000;

/** The columns of the file, by their name in the API. */
const columns: readonly (readonly [name: string, of: (row: LoggedRequest) => string])[] = [
  ["id", ({ id }) => id],
  ["request_id", ({ requestId }) => requestId],
  ["kind", ({ kind }) => kind],
  ["outcome", ({ outcome }) => outcome],
  ["admitted_at", ({ admittedAt }) => admittedAt],
  ["duration_ms", ({ durationMs }) => String(durationMs)],
  ["ttft_ms", ({ ttftMs }) => String(ttftMs)],
  ["http_status", ({ httpStatus }) => String(httpStatus)],
  ["key_id", ({ keyId }) => keyId],
  ["tag", ({ tag }) => tag],
  ["requested_model", ({ requestedModel }) => requestedModel],
  ["model", ({ model }) => model],
  ["tier", ({ tier }) => tier],
  ["provider", ({ provider }) => provider],
  ["prompt_tokens", ({ promptTokens }) => String(promptTokens)],
  ["completion_tokens", ({ completionTokens }) => String(completionTokens)],
  ["credits", ({ creditsMicro }) => toCreditsText(creditsMicro).replaceAll(",", "")],
];

/** Fetches the requests of a time, newest first, and has the browser save them as CSV (RFC 4180). */
export async function saveAsCsv(from: string, to: string, fileName: string): Promise<void> {
  const parts = [toLine(columns.map(([name]) => name))];
  const request = { from, to, limit: exportRowsMax };
  for await (const { data } of analyticsClient.exportLoggedRequests(request)) {
    parts.push(...data.map((row) => toLine(columns.map(([, of]) => of(row)))));
  }
  const url = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName;
  link.click();
  URL.revokeObjectURL(url);
}

function toLine(values: readonly string[]): string {
  return `${values.map(toCell).join(",")}\r\n`;
}

/** A value as a cell: quoted where it must be, and no formula to a spreadsheet (OWASP, "CSV Injection"). */
function toCell(value: string): string {
  const harmless = /^[=+@\t\r]/.test(value) || /^-(?![\d.]+$)/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
