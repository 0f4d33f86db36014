// The names of a chat request's parameters as the clients of another API know them.
import { invalidRequest, OptamilError } from "../platform/errors.ts";

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
      if (!(thrown instanceof OptamilError) || thrown.code !== "invalid_request") return thrown;
      const { param = "", message } = thrown;
      const name = names.get(param);
      return name === undefined
        ? thrown
        : invalidRequest(message.replaceAll(`'${param}'`, `'${name}'`), name);
    },
  };
}
