// Checks messages against the protovalidate rules of their proto files.
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import { acceptorOf } from "./accept.ts";
import { invalidRequest } from "./errors.ts";
import { formatPath, type Problem, problemAt } from "./json-path.ts";
import { jsonKey, unionOf, wrappedList } from "./json-shape.ts";

const firstOnly = createValidator({ failFast: true });
const all = createValidator();

/**
 * A check that throws `invalid_request` for the first rule that a message breaks; `param` is the path in JSON's
 * spelling. Made once at start: a rule that cannot be compiled throws here, not at the first request.
 */
export function validatorOf<Desc extends DescMessage>(
  schema: Desc,
): (message: MessageShape<Desc>) => void {
  const trial = firstOnly.validate(schema, create(schema));
  if (trial.kind === "error") throw trial.error;
  const accepts = acceptorOf(schema);
  return (message) => {
    if (accepts(message)) return;
    const { kind, error, violations } = firstOnly.validate(schema, message);
    if (kind === "valid") return;
    const [violation] = violations ?? [];
    if (violation === undefined) throw error;
    const problem = toProblem(violation);
    throw invalidRequest(problem.message, problem.path === "" ? undefined : problem.path);
  };
}

/** A check that returns every rule that a message breaks. */
export function violationsOf<Desc extends DescMessage>(
  schema: Desc,
): (message: MessageShape<Desc>) => Problem[] {
  return (message) => {
    const { kind, error, violations } = all.validate(schema, message);
    if (kind === "error") throw error;
    return (violations ?? []).map(toProblem);
  };
}

function toProblem({ field, message }: Violation): Problem {
  return problemAt(formatPath(toJsonPath(field)), message);
}

/** A protobuf path as JSON has it: with its keys, and without the wrappers of unions. */
function toJsonPath(path: Path): (string | number)[] {
  const json: (string | number)[] = [];
  let wrapped: unknown;
  for (const step of path) {
    if (step.kind === "list_sub") json.push(step.index);
    else if (step.kind === "map_sub") json.push(String(step.key));
    else if (step.kind === "field" && step !== wrapped) {
      if (unionOf(step.parent) === undefined) json.push(jsonKey(step));
      else wrapped = wrappedList(step);
    }
  }
  return json;
}
