// What a request can ask for, by name.
import { Operation } from "../gen/optamil/v1/event_pb.ts";

/** What a request asks for: a chat, by whatever door, or embeddings. */
export type OperationName = "chat" | "embeddings";

const operations: Readonly<Record<OperationName, Operation>> = {
  chat: Operation.UNSPECIFIED,
  embeddings: Operation.EMBEDDINGS,
};

/** The operation of a name. */
export function toOperation(name: OperationName): Operation {
  return operations[name];
}

/** The name of an operation; undefined for one that this version does not know. */
export function operationName(operation: Operation): OperationName | undefined {
  if (operation === Operation.EMBEDDINGS) return "embeddings";
  return operation === Operation.UNSPECIFIED ? "chat" : undefined;
}
