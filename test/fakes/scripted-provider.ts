/** A provider that does what its test says, step by step. */
import { create } from "@bufbuild/protobuf";
import { CreateChatCompletionResponseSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import type {
  Provider,
  ProviderAnswer,
  ProviderCall,
  ProviderFailure,
  StreamReceiver,
} from "../../src/providers/provider.ts";

/** A provider whose calls are kept and whose answers come from the test. */
export type ScriptedProvider = Provider & {
  readonly calls: ProviderCall[];
  /** Receivers of the streams that were started, oldest first. */
  readonly receivers: StreamReceiver[];
  /** How often the reader asked to wait and to go on. */
  readonly steering: ("pause" | "resume")[];
};

/** A provider that answers unary calls with `results` in turn; streams are driven by the test. */
export function scriptedProvider(
  name: string,
  results: (ProviderAnswer | ProviderFailure)[] = [],
  json: Provider["json"] = "native",
): ScriptedProvider {
  const calls: ProviderCall[] = [];
  const receivers: StreamReceiver[] = [];
  const steering: ("pause" | "resume")[] = [];
  return {
    name,
    json,
    calls,
    receivers,
    steering,
    async complete(call) {
      calls.push(call);
      const result = results.shift();
      if (result === undefined) throw new Error("the script is at its end");
      return result;
    },
    stream(call, receiver) {
      calls.push(call);
      receivers.push(receiver);
      return { pause: () => steering.push("pause"), resume: () => steering.push("resume") };
    },
    async close() {},
  };
}

/** A whole answer that is known by its id, without usage. */
export function completion(id: string, content = "word"): ProviderAnswer {
  const message = create(CreateChatCompletionResponseSchema, {
    id,
    choices: [{ index: 0, message: { role: "assistant", content } }],
  });
  return { ok: true, body: { form: "message", message }, usage: undefined };
}

/** A failure of the upstream. */
export function failure(errorClass: string, tryNext = true): ProviderFailure {
  const error = new OptamilError(tryNext ? "service_unavailable" : "invalid_request", errorClass);
  return { ok: false, error, status: 0, errorClass, tryNext };
}
