// The pages of the console by path: one row each. The gateway answers these paths with the console's document.
import type { ComponentType } from "react";

/** One page. */
export type Route = {
  readonly path: string;
  /** Its name in the menu. */
  readonly title: string;
  /** Where in the menu it stands; "entry": nowhere. */
  readonly section: "Work" | "Account" | "Operate" | "Learn" | "entry";
  /** Scope that the credential needs; undefined: the page is open to everybody. */
  readonly scope: string | undefined;
  /** Loads the page, which is no part of the first load. */
  readonly load: () => Promise<{ readonly default: ComponentType }>;
};

/** All pages, in the order of the menu. */
export const routes: readonly Route[] = [
  {
    path: "/",
    title: "Start",
    section: "Work",
    scope: "usage:read",
    load: () => import("./pages/start.tsx"),
  },
  {
    path: "/keys",
    title: "Keys",
    section: "Account",
    scope: "keys:write",
    load: () => import("./pages/keys.tsx"),
  },
  {
    path: "/sign-in",
    title: "Sign in",
    section: "entry",
    scope: undefined,
    load: () => import("./pages/sign-in.tsx"),
  },
  {
    path: "/sign-up",
    title: "Sign up",
    section: "entry",
    scope: undefined,
    load: () => import("./pages/sign-up.tsx"),
  },
];
