// Shows a parsed Markdown text: only what our own documents use, and never as HTML.
import { Fragment, type ReactNode } from "react";

/** A part of a parsed text, as marked's lexer gives it. */
export type Token = {
  readonly type: string;
  readonly text?: string;
  readonly depth?: number;
  readonly href?: string;
  readonly ordered?: boolean;
  readonly tokens?: readonly Token[] | undefined;
  readonly items?: readonly Token[];
  readonly header?: readonly Token[];
  readonly rows?: readonly (readonly Token[])[];
};

/** The parts of a text in order. Headings begin one level below the page's. */
export function Markdown({ tokens }: { readonly tokens: readonly Token[] }) {
  return (
    <>
      {withKeys(tokens, (token) => (
        <Block token={token} />
      ))}
    </>
  );
}

/** The parts with keys by place: a document's parts never change their order. */
function withKeys(
  tokens: readonly Token[],
  show: (token: Token) => ReactNode,
): readonly ReactNode[] {
  return tokens.map((token, place) => {
    const key = `${place} ${token.type}`;
    return <Fragment key={key}>{show(token)}</Fragment>;
  });
}

function Block({ token }: { readonly token: Token }) {
  const { type, text = "", tokens = [] } = token;
  switch (type) {
    case "heading":
      return token.depth === 1 ? null : (
        <h2>
          <Inline tokens={tokens} />
        </h2>
      );
    case "paragraph":
    case "text":
      return (
        <p>
          <Inline tokens={tokens} />
        </p>
      );
    case "code":
      return (
        <div className="code">
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1) */}
          <pre tabIndex={0}>
            <code>{text}</code>
          </pre>
        </div>
      );
    case "list":
      return <List token={token} />;
    case "table":
      return <TableBlock token={token} />;
    default:
      return null;
  }
}

function List({ token: { ordered, items = [] } }: { readonly token: Token }) {
  const points = withKeys(items, ({ tokens = [] }) => (
    <li>
      {withKeys(tokens, (part) =>
        part.type === "text" ? <Inline tokens={part.tokens ?? []} /> : <Block token={part} />,
      )}
    </li>
  ));
  return ordered ? <ol>{points}</ol> : <ul>{points}</ul>;
}

function TableBlock({ token: { header = [], rows = [] } }: { readonly token: Token }) {
  return (
    <section
      className="table-scroll card flush"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
      tabIndex={0}
      aria-label={header[0]?.text ?? "Table"}
    >
      <table className="table">
        <thead>
          <tr>
            {withKeys(header, ({ tokens = [] }) => (
              <th scope="col">
                <Inline tokens={tokens} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {withKeys(
            rows.map((cells) => ({ type: "row", tokens: cells })),
            ({ tokens: cells = [] }) => (
              <tr>
                {withKeys(cells, ({ tokens = [] }) => (
                  <td>
                    <Inline tokens={tokens} />
                  </td>
                ))}
              </tr>
            ),
          )}
        </tbody>
      </table>
    </section>
  );
}

function Inline({ tokens }: { readonly tokens: readonly Token[] }) {
  return (
    <>
      {withKeys(tokens, (token) => (
        <Span token={token} />
      ))}
    </>
  );
}

function Span({ token }: { readonly token: Token }) {
  const { type, text = "", tokens, href = "" } = token;
  const within = tokens === undefined ? text : <Inline tokens={tokens} />;
  switch (type) {
    case "codespan":
      return <code>{text}</code>;
    case "strong":
      return <strong>{within}</strong>;
    case "em":
      return <em>{within}</em>;
    case "link":
      // Links between files of the repository lead nowhere here.
      return /^https?:/.test(href) ? <a href={href}>{within}</a> : within;
    case "br":
      return <br />;
    default:
      return within;
  }
}
