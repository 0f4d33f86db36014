// What the parts of this adapter need of a connection, so that only one file knows the client.
import type { Script } from "./scripts.ts";

/** A field of a reply: scripts here give texts, integers and nothing else; missing ones are null. */
export type ReplyField = string | number | Uint8Array | null;

/** A connection to one server. */
export interface RedisConnection {
  /**
   * Runs a script in one round trip, two where the server does not have it yet. Throws `CountersUnreachable`
   * when the server does not answer in time; whether the script has run is not known then.
   */
  run(
    script: Script,
    key: string,
    args: readonly (string | number | Uint8Array)[],
  ): Promise<readonly ReplyField[]>;
  /** Sets a key; throws like `run`. */
  set(key: string, value: string): Promise<void>;
  /** Resolves when the server can be asked for the first time; rejects after 10 seconds. */
  ready(): Promise<void>;
  /** How often it was lost: between two of them the server may have become another. */
  sessions(): number;
  /** Milliseconds that the last answered command took; undefined before the first. */
  lastRoundTripMs(): number | undefined;
  /** Milliseconds for which commands have waited and none was answered; 0 while none waits. */
  silentMs(): number;
  close(): void;
}

/** A field that the script always gives as text. */
export function textAt(reply: readonly ReplyField[], at: number): string {
  const field = reply[at];
  if (field === undefined || field === null) throw new Error(`a reply lacks its field ${at}`);
  return field instanceof Uint8Array ? new TextDecoder().decode(field) : String(field);
}

/** A field that the script always gives as a number within 2^53. */
export function numberAt(reply: readonly ReplyField[], at: number): number {
  return Number(textAt(reply, at));
}
