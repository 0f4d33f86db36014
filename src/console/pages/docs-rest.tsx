// The REST reference, from the gateway's own OpenAPI document.
import { useState } from "react";
import { useLoad } from "../api/load.ts";
import {
  type OpenApi,
  type Operation,
  type Route,
  resolve,
  routesByTag,
  type Schema,
  typeWords,
} from "../docs/openapi.ts";
import { Card, Loaded, PageHead } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";
import { Tag } from "../ui/tier.tsx";

const loadApi = (signal: AbortSignal): Promise<OpenApi> =>
  fetch("/openapi.json", { signal }).then((response) => response.json());

/** The page of the REST reference. */
export default function RestReference() {
  const { load, reload } = useLoad(loadApi);
  return (
    <>
      <PageHead
        title="REST"
        lead="Made from this gateway's OpenAPI 3.1 document, which any other viewer reads too."
      >
        <a className="button" href="/openapi.json">
          openapi.json
        </a>
      </PageHead>
      <Loaded load={load} reload={reload}>
        {(api) => (
          <div className="stack wide">
            {[...routesByTag(api)].map(([tag, routes]) => (
              <Card key={tag} title={tag}>
                <div className="stack">
                  {routes.map((route) => (
                    <RouteCard key={`${route.method} ${route.path}`} route={route} api={api} />
                  ))}
                </div>
              </Card>
            ))}
          </div>
        )}
      </Loaded>
    </>
  );
}

type ApiProps = { readonly api: OpenApi };

function RouteCard({
  route: { method, path, operation },
  api,
}: { readonly route: Route } & ApiProps) {
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const answers = Object.entries(operation.responses["200"]?.content ?? {});
  return (
    <details className="disclosure route">
      <summary>
        <Tag>{method.toUpperCase()}</Tag> <code>{path}</code>{" "}
        <span className="muted">{operation.summary}</span>
      </summary>
      <div className="stack">
        {operation.description !== undefined && <p>{operation.description.replaceAll("`", "")}</p>}
        <Parameters operation={operation} />
        {body !== undefined && <SchemaView title="Body" schema={body} api={api} />}
        {answers.map(([type, { schema }]) =>
          schema === undefined || type === "text/event-stream" ? null : (
            <SchemaView key={type} title="Answer" schema={schema} api={api} />
          ),
        )}
      </div>
    </details>
  );
}

function Parameters({ operation: { parameters = [] } }: { readonly operation: Operation }) {
  if (parameters.length === 0) return null;
  return (
    <Table
      caption="Parameters"
      rows={parameters}
      keyOf={({ name }) => name}
      columns={[
        { title: "Parameter", cell: ({ name }) => <code className="nowrap">{name}</code> },
        { title: "In", cell: (parameter) => parameter.in },
        { title: "Required", cell: ({ required }) => (required ? "yes" : "no") },
        {
          title: "Type",
          cell: ({ schema = {} }) => <span className="what">{typeWords(schema)}</span>,
        },
      ]}
    />
  );
}

/** Levels of named schemas that are shown within each other. */
const depthMax = 4;

type SchemaProps = ApiProps & {
  readonly title: string;
  readonly schema: Schema;
  readonly depth?: number;
};

function SchemaView({ title, schema: given, api, depth = 0 }: SchemaProps) {
  const { schema, name } = resolve(given, api);
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return null;
  return (
    <div className="stack">
      <h3>
        {title} <span className="muted">{name}</span>
      </h3>
      <Table
        caption={`${title} ${name}`}
        rows={properties}
        keyOf={([field]) => field}
        columns={[
          { title: "Field", cell: ([field]) => <code className="nowrap">{field}</code> },
          { title: "Type", cell: ([, one]) => <span className="what">{typeWords(one)}</span> },
          {
            title: "Required",
            cell: ([field]) => (schema.required?.includes(field) ? "yes" : "no"),
          },
        ]}
      />
      {depth < depthMax && <Parts schema={schema} api={api} depth={depth + 1} />}
    </div>
  );
}

/** The named schemas that a schema's fields have, closed until they are asked for. */
function Parts({
  schema,
  api,
  depth,
}: ApiProps & { readonly schema: Schema; readonly depth: number }) {
  const parts = Object.entries(schema.properties ?? {}).flatMap(([field, one]) => {
    const named = one.items ?? one;
    const found = resolve(named, api);
    return found.name !== "" && found.schema.properties !== undefined
      ? [{ field, named, name: found.name }]
      : [];
  });
  return (
    <>
      {parts.map(({ field, named, name }) => (
        <Part key={field} title={`${field}: ${name}`} schema={named} api={api} depth={depth} />
      ))}
    </>
  );
}

function Part({ title, ...others }: Required<SchemaProps>) {
  const [open, setOpen] = useState(false);
  return (
    <details className="disclosure" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{title}</summary>
      {open && <SchemaView title={title} {...others} />}
    </details>
  );
}
