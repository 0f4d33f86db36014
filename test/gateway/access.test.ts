import { getOption, hasOption } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { scopeOf } from "../../src/gateway/access.ts";
import { routesOf } from "../../src/gateway/route.ts";
import { http } from "../../src/gen/google/api/annotations_pb.ts";
import { access } from "../../src/gen/optamil/options/v1/options_pb.ts";
import { scopes } from "../../src/keys/scopes.ts";
import { readApiMethods } from "./api-services.ts";

const methods = await readApiMethods();

describe("the methods of the proto files", () => {
  it("were found: those of all services", () => {
    const services = new Set(methods.map(({ parent }) => parent.name));
    expect([...services].toSorted()).toEqual([
      "AccountService",
      "AdminService",
      "AnalyticsService",
      "BudgetService",
      "ChatService",
      "ContentService",
      "EmbeddingService",
      "FeedbackService",
      "KeyService",
      "MessageService",
      "ModelService",
      "ResponseService",
      "RouterService",
      "UsageService",
    ]);
  });

  it.each(methods)("say who may call them: $parent.name.$name", (method) => {
    expect(hasOption(method, access)).toBe(true);
    const { public: isPublic, scope } = getOption(method, access);
    expect(isPublic ? [undefined, ""] : scopes).toContain(isPublic ? scope : scopeOf(method));
  });

  it.each(methods)("have a REST route: $parent.name.$name", (method) => {
    expect(hasOption(method, http)).toBe(true);
    expect(routesOf(method).length).toBeGreaterThan(0);
  });

  it("are public in a list that is written down here", () => {
    const open = methods.filter((method) => scopeOf(method) === undefined);
    expect(open.map(({ name }) => name)).toEqual(["SignUp", "SignIn"]);
  });

  it("name an account only where scope admin is asked for, or where analytics and kept content ask for it themselves", () => {
    const naming = methods.filter(({ input }) =>
      input.fields.some(({ name }) => name === "account_id"),
    );
    const byScope = Map.groupBy(naming, scopeOf);
    expect([...byScope.keys()].toSorted()).toEqual(["admin", "keys:write", "usage:read"]);
    const analytics = byScope.get("usage:read")?.map(({ parent }) => parent.name);
    expect(new Set(analytics)).toEqual(new Set(["AnalyticsService"]));
    expect(byScope.get("keys:write")?.map(({ name }) => name)).toEqual(["SetContentKeeping"]);
  });
});
