// What the gateway and its consumer child tell each other. Structured clone carries it: bigints and bytes too.
import type { AnalyticsAnswer, AnalyticsQuestion } from "./analytics.ts";
import type { Finding } from "./audit.ts";
import type { Confirmation } from "./consumer-parts.ts";
import type { StatementName } from "./statement.ts";
import type { TextFormat } from "./stored-usage.ts";
import type { LastExit } from "./trial.ts";
import type { AskedBase, PeriodSums, StoredBase, StoredEvent } from "./warehouse.ts";

/** From the gateway. */
export type ToChild =
  /** First of all: how the child before ended, and what the counters have taken. */
  | {
      readonly type: "start";
      readonly lastExit: LastExit | undefined;
      readonly deliveredOffset: number;
      /** Whether nothing is consumed, and questions are answered only. */
      readonly onlyAnswers: boolean;
    }
  | { readonly type: "ask"; readonly id: number; readonly question: Question }
  | { readonly type: "stop" };

/** From the child. */
export type FromChild =
  /** The warehouse is open. */
  | { readonly type: "ready" }
  | { readonly type: "confirmed"; readonly confirmation: Confirmation }
  /** After each batch; `lag` is what is left in the log. */
  | {
      readonly type: "progress";
      readonly records: number;
      readonly dead: number;
      readonly lag: number;
    }
  /** Something failed and will be tried again. */
  | { readonly type: "trouble"; readonly message: string }
  | { readonly type: "answer"; readonly id: number; readonly answer: Answer }
  /** The refusal of a question; `invalid`: the question is wrong. */
  | {
      readonly type: "refusal";
      readonly id: number;
      readonly message: string;
      readonly invalid: boolean;
    };

/** What can be asked of the child, as only it has the warehouse open. */
export type Question =
  | { readonly kind: "sql"; readonly text: string; readonly format: string | undefined }
  | { readonly kind: "event"; readonly accountId: string; readonly eventId: string }
  | { readonly kind: "event-of-request"; readonly accountId: string; readonly requestId: string }
  | {
      readonly kind: "sums";
      readonly accountIds: readonly string[];
      readonly periodIds: readonly string[];
    }
  | { readonly kind: "bases"; readonly asked: readonly AskedBase[] }
  | { readonly kind: "audit" }
  | {
      readonly kind: "statement";
      readonly name: StatementName;
      readonly parameters: Record<string, unknown>;
      readonly format: TextFormat;
    }
  | AnalyticsQuestion;

/** The answer to the question of the same kind. */
export type Answer =
  | { readonly kind: "sql"; readonly text: string }
  | { readonly kind: "event"; readonly event: StoredEvent | undefined }
  | { readonly kind: "event-of-request"; readonly event: StoredEvent | undefined }
  | { readonly kind: "sums"; readonly sums: readonly PeriodSums[] }
  | { readonly kind: "bases"; readonly bases: readonly StoredBase[] }
  | { readonly kind: "audit"; readonly findings: readonly Finding[] }
  | { readonly kind: "statement"; readonly text: string }
  | AnalyticsAnswer;

/** Whether a message is from the gateway. Both ends are this program: only the outer shape is checked. */
export function isToChild(message: unknown): message is ToChild {
  return ["start", "ask", "stop"].includes(typeOf(message));
}

/** Whether a message is from the child. */
export function isFromChild(message: unknown): message is FromChild {
  const types = ["ready", "confirmed", "progress", "trouble", "answer", "refusal"];
  return types.includes(typeOf(message));
}

function typeOf(message: unknown): string {
  const isObject = typeof message === "object" && message !== null && "type" in message;
  return isObject ? String(message.type) : "";
}
