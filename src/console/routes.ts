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
    path: "/playground",
    title: "Playground",
    section: "Work",
    scope: "chat",
    load: () => import("./pages/playground.tsx"),
  },
  {
    path: "/models",
    title: "Models",
    section: "Work",
    scope: "models",
    load: () => import("./pages/models.tsx"),
  },
  {
    path: "/keys",
    title: "Keys",
    section: "Account",
    scope: "keys:write",
    load: () => import("./pages/keys.tsx"),
  },
  {
    path: "/usage",
    title: "Usage",
    section: "Account",
    scope: "usage:read",
    load: () => import("./pages/usage.tsx"),
  },
  {
    path: "/requests",
    title: "Requests",
    section: "Account",
    scope: "usage:read",
    load: () => import("./pages/requests.tsx"),
  },
  {
    path: "/sql",
    title: "SQL",
    section: "Account",
    scope: "usage:read",
    load: () => import("./pages/sql.tsx"),
  },
  {
    path: "/limits",
    title: "Limits and budgets",
    section: "Account",
    scope: "usage:read",
    load: () => import("./pages/limits.tsx"),
  },
  {
    path: "/billing",
    title: "Billing",
    section: "Account",
    scope: "usage:read",
    load: () => import("./pages/billing.tsx"),
  },
  {
    path: "/admin/accounts",
    title: "Accounts",
    section: "Operate",
    scope: "admin",
    load: () => import("./pages/accounts.tsx"),
  },
  {
    path: "/admin/plans",
    title: "Plans",
    section: "Operate",
    scope: "admin",
    load: () => import("./pages/plans.tsx"),
  },
  {
    path: "/admin/changes",
    title: "Audit log",
    section: "Operate",
    scope: "admin",
    load: () => import("./pages/changes.tsx"),
  },
  {
    path: "/admin/system",
    title: "System",
    section: "Operate",
    scope: "admin",
    load: () => import("./pages/system.tsx"),
  },
  {
    path: "/docs",
    title: "Guide",
    section: "Learn",
    scope: undefined,
    load: () => import("./pages/docs.tsx"),
  },
  {
    path: "/docs/rest",
    title: "REST reference",
    section: "Learn",
    scope: undefined,
    load: () => import("./pages/docs-rest.tsx"),
  },
  {
    path: "/docs/grpc",
    title: "gRPC reference",
    section: "Learn",
    scope: undefined,
    load: () => import("./pages/docs-grpc.tsx"),
  },
  {
    path: "/docs/router",
    title: "Router report",
    section: "Learn",
    scope: undefined,
    load: () => import("./pages/docs-router.tsx"),
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
