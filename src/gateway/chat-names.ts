// The names of a chat request's parameters as the clients of another API know them.
import { OptamilError } from "../platform/errors.ts";

/** Another API's names. */
export type ChatNames = {
  /** What a chat parameter is called there. */
  readonly parameter: (name: string) => string;
  /** A refusal of a chat parameter by the name that the client used; any other thrown value as it is. */
  readonly refusal: (thrown: unknown) => unknown;
};

/** The names by those of a chat request; what is not among them has the same name. */
export function createChatNames(entries: readonly (readonly [string, string])[]): ChatNames {
  const names: ReadonlyMap<string, string> = new Map(entries);
  return {
    parameter: (name) => names.get(name) ?? name,
    refusal(thrown) {
      if (!(thrown instanceof OptamilError)) return thrown;
      const { code, param = "", message, cause, retryAfterMs, shouldRetry } = thrown;
      const name = names.get(param);
      if (name === undefined) return thrown;
      const told = message.replaceAll(`'${param}'`, `'${name}'`);
      return new OptamilError(code, told, { param: name, cause, retryAfterMs, shouldRetry });
    },
  };
}
