// The menu: the pages that the credential can open, and who is signed in.

import { useAction } from "./api/load.ts";
import { useSession } from "./api/session.tsx";
import { Link, navigate } from "./navigation.tsx";
import { type Route, routes } from "./routes.ts";
import { ThemeSwitch } from "./theme.tsx";
import { Button } from "./ui/button.tsx";

const sections = ["Work", "Account", "Operate", "Learn"] as const;

/** The menu of the page at `path`. */
export function Menu({ path }: { readonly path: string | undefined }) {
  const { session } = useSession();
  const scopes = session.state === "in" ? session.who.scopes : [];
  const opens = ({ scope }: Route) => scope === undefined || scopes.includes(scope);
  return (
    <>
      <nav className="nav" aria-label="Pages">
        {sections.map((section) => {
          const rows = routes.filter((route) => route.section === section && opens(route));
          if (rows.length === 0) return null;
          return (
            <div key={section}>
              <h2>{section}</h2>
              <ul>
                {rows.map(({ path: to, title }) => (
                  <li key={to}>
                    <Link href={to} aria-current={to === path ? "page" : undefined}>
                      {title}
                    </Link>
                  </li>
                ))}
              </ul>
            </div>
          );
        })}
      </nav>
      <div className="who">
        <ThemeSwitch />
        <Who />
      </div>
    </>
  );
}

function Who() {
  const { session, signOut } = useSession();
  const { busy, run } = useAction();
  if (session.state !== "in") {
    return (
      <Link className="button slim" href="/sign-in">
        Sign in
      </Link>
    );
  }
  const { account, credential } = session.who;
  return (
    <div className="stack">
      <div>
        <strong>{account?.email ?? account?.name}</strong>
        <span className="muted">
          Plan {account?.plan}, {credential === "key" ? "signed in with a key" : "signed in"}
        </span>
      </div>
      <Button
        slim
        busy={busy}
        onClick={() =>
          void run(async () => {
            await signOut();
            navigate("/sign-in");
          })
        }
      >
        Sign out
      </Button>
    </div>
  );
}
