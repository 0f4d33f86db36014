// What the REST reference needs of an OpenAPI 3.1 document.

/** A JSON schema, as far as it is shown. */
export type Schema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
};

type Content = Readonly<Record<string, { readonly schema?: Schema }>>;

/** One route and method. */
export type Operation = {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema?: Schema;
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
};

/** The document. */
export type OpenApi = {
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
};

/** A route with its method. */
export type Route = {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
};

/** The routes by tag, in the document's order. */
export function routesByTag({ paths }: OpenApi): ReadonlyMap<string, readonly Route[]> {
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  return Map.groupBy(routes, ({ operation }) => operation.tags?.[0] ?? "Other");
}

/** The schema that a name stands for, if it does, and that name. */
export function resolve(schema: Schema, api: OpenApi): { schema: Schema; name: string } {
  const name = schema.$ref?.split("/").at(-1) ?? "";
  return { schema: api.components.schemas[name] ?? schema, name };
}

/** A schema's type in a few words: "array of Key", "integer, 1 to 100". */
export function typeWords(schema: Schema): string {
  if (schema.$ref !== undefined) return schema.$ref.split("/").at(-1) ?? "";
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map(typeWords).join(" or ");
  if (schema.enum !== undefined) {
    return schema.enum.map((value) => (value === "" ? "empty" : String(value))).join(" | ");
  }
  const types = typeof schema.type === "string" ? [schema.type] : (schema.type ?? ["any"]);
  const word = types.join(" or ");
  if (schema.items !== undefined) return `${word} of ${typeWords(schema.items)}`;
  return [schema.format === undefined ? word : `${word} (${schema.format})`, boundsOf(schema)]
    .filter((part) => part !== "")
    .join(", ");
}

function boundsOf({ minimum, maximum, minLength, maxLength }: Schema): string {
  const least = minimum ?? minLength;
  const most = maximum ?? maxLength;
  const unit = (minLength ?? maxLength) ? " characters" : "";
  const safe = (bound: number | undefined) =>
    bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  if (safe(least) && safe(most)) return `${least} to ${most}${unit}`;
  if (safe(least)) return `at least ${least}${unit}`;
  return safe(most) ? `at most ${most}${unit}` : "";
}
