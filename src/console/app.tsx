// The frame of the console: the menu, and the page that the address names.
import { type ComponentType, lazy, Suspense, useEffect, useState } from "react";
import { useSession } from "./api/session.tsx";
import { Menu } from "./menu.tsx";
import { Link, navigate, usePath } from "./navigation.tsx";
import { type Route, routes } from "./routes.ts";
import { PageBoundary } from "./ui/boundary.tsx";
import { Card, Empty, PageHead, Skeleton } from "./ui/layout.tsx";

const pages = new Map<string, ComponentType>(routes.map(({ path, load }) => [path, lazy(load)]));

/** The console. */
export function App() {
  const path = usePath();
  const { session } = useSession();
  const route = routes.find((one) => one.path === path);
  const mustSignIn = route?.scope !== undefined && session.state === "out";
  useEffect(() => {
    if (mustSignIn) navigate(signInPath(path));
  }, [mustSignIn, path]);
  if (session.state === "unknown" || mustSignIn) return <Skeleton />;
  if (route?.section === "entry") {
    return (
      <main className="entry">
        <Brand />
        <Page route={route} />
      </main>
    );
  }
  return (
    <div className="shell">
      <a className="button skip" href="#content">
        Skip to the page
      </a>
      <Sidebar route={route} />
      <main className="main" id="content" tabIndex={-1}>
        <Page route={route} />
      </main>
    </div>
  );
}

function signInPath(path: string): string {
  const wanted = `${path}${location.search}`;
  return wanted === "/" ? "/sign-in" : `/sign-in?to=${encodeURIComponent(wanted)}`;
}

function Brand() {
  return (
    <Link className="brand" href="/">
      <img src={new URL("./style/icon.svg", import.meta.url).href} alt="" />
      Optamil
    </Link>
  );
}

function Sidebar({ route }: { readonly route: Route | undefined }) {
  const [open, setOpen] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the menu of a small screen
  useEffect(() => setOpen(false), [route]);
  return (
    <div className="sidebar" data-open={open}>
      <div className="bar-top">
        <Brand />
        <button
          type="button"
          className="button slim menu-button"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          Menu
        </button>
      </div>
      <Menu path={route?.path} />
    </div>
  );
}

function Page({ route }: { readonly route: Route | undefined }) {
  const { session } = useSession();
  const Content = pages.get(route?.path ?? "");
  if (route === undefined || Content === undefined) return <Missing />;
  const lacks =
    route.scope !== undefined &&
    session.state === "in" &&
    !session.who.scopes.includes(route.scope);
  if (lacks) return <Forbidden title={route.title} scope={route.scope ?? ""} />;
  return (
    <PageBoundary key={route.path}>
      <Suspense fallback={<Skeleton />}>
        <Content />
      </Suspense>
    </PageBoundary>
  );
}

function Missing() {
  return (
    <>
      <PageHead title="Not found" />
      <Card>
        <Empty title="There is no such page">
          <Link href="/">To the start</Link>
        </Empty>
      </Card>
    </>
  );
}

function Forbidden({ title, scope }: { readonly title: string; readonly scope: string }) {
  return (
    <>
      <PageHead title={title} />
      <Card>
        <Empty title="Not with this credential">
          <span>
            This page needs the scope <code>{scope}</code>. Sign in with a key that has it.
          </span>
          <Link href="/sign-in">Sign in with a key</Link>
        </Empty>
      </Card>
    </>
  );
}
