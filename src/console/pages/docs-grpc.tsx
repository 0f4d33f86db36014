// The gRPC and Connect reference, made from the protos.
import { useEffect, useState, useSyncExternalStore } from "react";
import { type MessageReference, reference, type ServiceReference } from "../docs/reference.ts";
import { CodeBlock } from "../ui/copy.tsx";
import { Card, PageHead } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";
import { Tag } from "../ui/tier.tsx";

/** The page of the RPC reference. */
export default function GrpcReference() {
  return (
    <>
      <PageHead
        title="gRPC and Connect"
        lead="The same port speaks gRPC, gRPC-Web and Connect. The server reflects its protos, so grpcurl needs no files."
      />
      <div className="stack wide">
        <Card title="Look around">
          <CodeBlock title="grpcurl" text={`grpcurl -plaintext ${location.host} list`} />
        </Card>
        {reference.services.map((service) => (
          <Service key={service.name} service={service} />
        ))}
        <Card title="Messages">
          <div className="stack">
            {reference.messages.map((message) => (
              <Message key={message.name} message={message} />
            ))}
          </div>
        </Card>
      </div>
    </>
  );
}

function Service({ service: { name, comment, methods } }: { readonly service: ServiceReference }) {
  return (
    <Card title={`optamil.v1.${name}`}>
      <div className="stack">
        <p className="muted">{comment}</p>
        {methods.map((method) => (
          <div key={method.name} className="method">
            <div className="row between">
              <h3>{method.name}</h3>
              <span className="row">
                {method.streams && <Tag>streams</Tag>}
                <Tag>{method.scope === "" ? "open to all" : method.scope}</Tag>
              </span>
            </div>
            <p>{method.comment}</p>
            <p className="small muted">
              <TypeLink name={method.input} /> → <TypeLink name={method.output} />
            </p>
          </div>
        ))}
      </div>
    </Card>
  );
}

function TypeLink({ name }: { readonly name: string }) {
  return <a href={`#${name}`}>{name}</a>;
}

/** Whether the address names a place of this page; it is opened then. */
function useNamed(name: string): boolean {
  return useSyncExternalStore(subscribeHash, () => location.hash === `#${name}`);
}

function subscribeHash(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

function Message({ message }: { readonly message: MessageReference }) {
  const { name, comment } = message;
  const named = useNamed(name);
  const [open, setOpen] = useState(named);
  useEffect(() => {
    if (named) setOpen(true);
  }, [named]);
  return (
    <details
      className="disclosure"
      id={name}
      open={open}
      onToggle={({ currentTarget }) => setOpen(currentTarget.open)}
    >
      <summary>{name}</summary>
      {open && (
        <div className="stack">
          <p className="muted">{comment}</p>
          <Fields message={message} />
        </div>
      )}
    </details>
  );
}

function Fields({ message: { name, fields } }: { readonly message: MessageReference }) {
  if (fields.length === 0) return null;
  return (
    <Table
      caption={`Fields of ${name}`}
      rows={fields}
      keyOf={(field) => field.name}
      columns={[
        { title: "Field", cell: (field) => <code className="nowrap">{field.name}</code> },
        { title: "Type", cell: (field) => <span className="nowrap">{field.type}</span> },
        { title: "Meaning", cell: (field) => <span className="what">{field.comment}</span> },
      ]}
    />
  );
}
