// The parameters that most chat requests need.
import { Table } from "../ui/table.tsx";

const parameters = [
  ["model", "string", "yes", "The id of a model, or auto."],
  ["messages", "array", "yes", "The conversation so far: each message has a role and a content."],
  [
    "max_tokens",
    "integer",
    "no",
    "Tokens of the answer at most. Default: the model's own maximum.",
  ],
  ["temperature", "number", "no", "0 to 2: how much chance there is in the answer. Default 1."],
  ["stream", "boolean", "no", "Whether the answer comes in pieces. Default false."],
  ["top_p", "number", "no", "0 to 1: share of the likeliest words to choose from. Default 1."],
  ["stop", "string or array", "no", "Up to 4 texts that end the answer."],
  ["response_format", "object", "no", "Form of the answer: text, json_object or json_schema."],
] as const;

/** Name, type and meaning of each. */
export function ParameterTable() {
  return (
    <Table
      caption="Parameters"
      rows={parameters}
      keyOf={([name]) => name}
      columns={[
        { title: "Parameter", cell: ([name]) => <code>{name}</code> },
        { title: "Type", cell: ([, type]) => <span className="nowrap">{type}</span> },
        { title: "Required", cell: ([, , required]) => required },
        { title: "Meaning", cell: ([, , , meaning]) => <span className="what">{meaning}</span> },
      ]}
    />
  );
}
