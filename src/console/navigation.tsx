// Where the reader is: the address of the page, and links that change it without a new document.
import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from "react";

const moves = new EventTarget();

function subscribe(listener: () => void): () => void {
  addEventListener("popstate", listener);
  moves.addEventListener("move", listener);
  return () => {
    removeEventListener("popstate", listener);
    moves.removeEventListener("move", listener);
  };
}

/** The path of the page, such as "/keys". */
export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

/** The query of the page. */
export function useQuery(): URLSearchParams {
  return new URLSearchParams(useSyncExternalStore(subscribe, () => location.search));
}

/** Opens another page of the console. */
export function navigate(to: string): void {
  history.pushState(undefined, "", to);
  scrollTo(0, 0);
  moves.dispatchEvent(new Event("move"));
}

/** Changes the query of this page in place; an empty value takes its name out. */
export function replaceQuery(changes: Readonly<Record<string, string>>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(undefined, "", text === "" ? location.pathname : `?${text}`);
  moves.dispatchEvent(new Event("move"));
}

/** A link to another page of the console. */
export function Link({
  href,
  ...others
}: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent) => {
    const plain = !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!plain || event.button !== 0) return;
    event.preventDefault();
    navigate(href);
  };
  return <a href={href} onClick={follow} {...others} />;
}
