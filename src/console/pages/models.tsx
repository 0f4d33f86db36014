// The models that can be asked for.
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import { type Model, type ModelHealth, ModelService } from "../../gen/optamil/v1/models_pb.ts";
import { useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { toMillionPrice, toShortCount } from "../format/credits.ts";
import { toDuration } from "../format/time.ts";
import { SelectField, TextField } from "../ui/field.tsx";
import { Card, Empty, Loaded, PageHead } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";
import { HealthTag, Tag, Tier, tierNames } from "../ui/tier.tsx";

const modelClient = createClient(ModelService, transport);

/** What a model must be able to do to be shown. */
const capabilities = {
  tools: "tools",
  vision: "images",
  jsonMode: "JSON",
  jsonSchema: "JSON schema",
  reasoning: "reasoning",
} as const;

type Capability = keyof typeof capabilities;

const capabilityNames: readonly Capability[] = [
  "tools",
  "vision",
  "jsonMode",
  "jsonSchema",
  "reasoning",
];

/** The models, and how each that was asked answers just now. */
async function loadModels(signal: AbortSignal) {
  const [{ data }, { data: health }] = await Promise.all([
    modelClient.listModels({}, { signal }),
    modelClient.listModelHealth({}, { signal }),
  ]);
  return { models: data, health: new Map(health.map((one) => [one.id, one])) };
}

type Health = ReadonlyMap<string, ModelHealth>;

/** The page of the models. */
export default function Models() {
  const { load, reload } = useLoad(loadModels);
  return (
    <>
      <PageHead
        title="Models"
        lead="Ask for one by its name, or for auto: then the router picks the cheapest one that will do."
      />
      <Card flush>
        <Loaded load={load} reload={reload}>
          {({ models, health }) => <ModelList models={models} health={health} />}
        </Loaded>
      </Card>
    </>
  );
}

type Filter = { readonly text: string; readonly tier: string; readonly can: string };

type ListProps = { readonly models: readonly Model[]; readonly health: Health };

function ModelList({ models, health }: ListProps) {
  const [filter, setFilter] = useState<Filter>({ text: "", tier: "", can: "" });
  const field = (name: keyof Filter) => ({
    value: filter[name],
    onChange: (event: { target: { value: string } }) =>
      setFilter({ ...filter, [name]: event.target.value }),
  });
  const shown = models.filter((model) => passes(model, filter));
  return (
    <>
      <div className="filters">
        <TextField label="Search" type="search" placeholder="name or maker" {...field("text")} />
        <SelectField label="Tier" {...field("tier")}>
          <option value="">all</option>
          {tierNames.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </SelectField>
        <SelectField label="Can" {...field("can")}>
          <option value="">anything</option>
          {capabilityNames.map((name) => (
            <option key={name} value={name}>
              {capabilities[name]}
            </option>
          ))}
        </SelectField>
      </div>
      <output className="visually-hidden">{shown.length} models</output>
      {shown.length === 0 ? (
        <Empty title="No model is like that">Change what you search for.</Empty>
      ) : (
        <ModelTable models={shown} health={health} />
      )}
    </>
  );
}

function passes({ id, ownedBy, tier, capabilities: can }: Model, filter: Filter): boolean {
  const text = filter.text.trim().toLowerCase();
  const wanted = capabilityNames.find((name) => name === filter.can);
  return (
    `${id} ${ownedBy}`.toLowerCase().includes(text) &&
    (filter.tier === "" || tier === filter.tier) &&
    (wanted === undefined || can?.[wanted] === true)
  );
}

function ModelTable({ models, health }: ListProps) {
  return (
    <Table
      caption="Models"
      rows={models}
      keyOf={({ id }) => id}
      columns={[
        { title: "Model", cell: (model) => <ModelName model={model} /> },
        { title: "Tier", cell: ({ tier }) => <Tier name={tier} /> },
        {
          title: "Prompt, $ / 1M",
          right: true,
          cell: ({ pricing }) => toMillionPrice(pricing?.prompt),
        },
        {
          title: "Answer, $ / 1M",
          right: true,
          cell: ({ pricing }) => toMillionPrice(pricing?.completion),
        },
        { title: "Context", right: true, cell: (model) => <Window model={model} /> },
        { title: "Can", cell: (model) => <Can model={model} /> },
        { title: "Served", cell: ({ status }) => <StatusTag status={status} /> },
        { title: "Now", cell: ({ id }) => <Now health={health.get(id)} /> },
      ]}
    />
  );
}

function ModelName({ model: { id, ownedBy, description } }: { readonly model: Model }) {
  return (
    <div>
      <div className="name nowrap">{id}</div>
      <div className="small muted nowrap">{description ?? ownedBy}</div>
    </div>
  );
}

function Window({ model }: { readonly model: Model }) {
  return (
    <div>
      {toShortCount(model.contextLength)}
      <div className="small muted">
        {model.dimensions === undefined
          ? `answers to ${toShortCount(model.maxOutputTokens)}`
          : `${model.dimensions} dimensions`}
      </div>
    </div>
  );
}

function Can({ model }: { readonly model: Model }) {
  if (model.dimensions !== undefined) return <span className="small muted can">embeddings</span>;
  const words = capabilityNames.filter((name) => model.capabilities?.[name]);
  return (
    <span className="small muted can">
      {words.map((name) => capabilities[name]).join(", ") || "–"}
    </span>
  );
}

function Now({ health }: { readonly health: ModelHealth | undefined }) {
  if (health === undefined) return <span className="muted">–</span>;
  return (
    <div>
      <HealthTag state={health.state} />
      {health.latencyMs !== undefined && (
        <div className="small muted nowrap">in {toDuration(health.latencyMs)}</div>
      )}
    </div>
  );
}

function StatusTag({ status }: { readonly status: string }) {
  if (status === "live") return <Tag tone="good">live</Tag>;
  if (status === "demo") return <Tag tone="warn">demo</Tag>;
  return <Tag>{status.replaceAll("_", " ")}</Tag>;
}
