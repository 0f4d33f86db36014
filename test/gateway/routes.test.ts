import { describe, expect, it } from "vitest";
import { createRoutes, pickRoute } from "../../src/gateway/routes.ts";
import { AccountService } from "../../src/gen/optamil/v1/accounts_pb.ts";
import { AdminService } from "../../src/gen/optamil/v1/admin_pb.ts";
import { ChatService } from "../../src/gen/optamil/v1/chat_pb.ts";
import { KeyService } from "../../src/gen/optamil/v1/keys_pb.ts";
import { ModelService } from "../../src/gen/optamil/v1/models_pb.ts";
import { RouterService } from "../../src/gen/optamil/v1/router_pb.ts";
import { UsageService } from "../../src/gen/optamil/v1/usage_pb.ts";
import { parseJsonBody } from "../../src/platform/json-body.ts";
import { compileProto } from "../setup/compile-proto.ts";

const rpc = (name: string, rule: string, more = "") => `rpc ${name}(In) returns (Out) {
  option (google.api.http) = {${rule}}; option (optamil.options.v1.access) = {scope: "chat"}; ${more}
}`;

const { service } = await compileProto(`
message In { string name = 1; Child child = 2; string cat = 3; bool stream = 4; repeated string tags = 5;
  map<string, string> map = 6; Thing thing = 7; }
message Child { string id = 1; Thing thing = 2; }
message Thing { string id = 1; uint32 number = 2; }
message Out {}
service Vanguard {
  ${rpc("Buzz", 'get: "/foo/bar/baz/buzz"')}
  ${rpc("Name", 'get: "/foo/bar/{name}"')}
  ${rpc("Two", 'get: "/foo/bar/{name}/baz/{child.id}"')}
  ${rpc("Three", 'get: "/foo/bar/{name}/baz/{child.id}/buzz/{child.thing.id}"')}
  ${rpc("Cat", 'get: "/foo/bar/*/{thing.id}/{cat=**}"')}
  ${rpc("CatDo", 'get: "/foo/bar/*/{thing.id}/{cat=**}:do"')}
  ${rpc("Escaped", 'get: "/foo%2Fbar/%2A/%2A%2a/{cat=%2A%2a/**}:%2c"')}
  ${rpc("Post", 'post: "/foo/bar/baz/buzz" body: "*"')}
  ${rpc("Many", 'put: "/many" body: "*" additional_bindings: {patch: "/many/{name}" body: "thing"}')}
}
service Plain { rpc None(In) returns (Out) { option (optamil.options.v1.access) = {public: true}; } }
service NoAccess { rpc A(In) returns (Out) { option (google.api.http) = {get: "/a"}; } }
service BothAccess { rpc A(In) returns (Out) { option (optamil.options.v1.access) = {public: true scope: "a"}; } }
service Custom { ${rpc("A", 'custom: {kind: "LIST" path: "/a"}')} }
service BadPath { ${rpc("A", 'get: "/a/"')} }
service NoField { ${rpc("A", 'get: "/{nothing}"')} }
service MessageField { ${rpc("A", 'get: "/{child}"')} }
service ListField { ${rpc("A", 'get: "/{tags}"')} }
service MapField { ${rpc("A", 'get: "/{map}"')} }
service DeepField { ${rpc("A", 'get: "/{name.length}"')} }
service NoBody { ${rpc("A", 'post: "/a" body: "nothing"')} }
service TextBody { ${rpc("A", 'post: "/a" body: "name"')} }
service GetBody { ${rpc("A", 'get: "/a" body: "*"')} }
service ResponseBody { ${rpc("A", 'get: "/a" response_body: "x"')} }
service NoPattern { ${rpc("A", 'body: "*"')} }
service Nested { ${rpc("A", 'get: "/a" additional_bindings: {get: "/b" additional_bindings: {get: "/c"}}')} }
service Twice { ${rpc("A", 'get: "/a/{name}"')} ${rpc("B", 'get: "/a/{cat}"')} }
service BadWhen { ${rpc("A", 'post: "/a" body: "*"', 'option (optamil.options.v1.rest) = {when: "name"};')} }
service SseUnary { ${rpc("A", 'get: "/a"', "option (optamil.options.v1.rest) = {sse: true};")} }
service BadEvent { rpc A(In) returns (stream Out) {
  option (google.api.http) = {get: "/a"}; option (optamil.options.v1.access) = {public: true};
  option (optamil.options.v1.rest) = {sse: true event: "nothing"}; } }
service BadRows { rpc A(In) returns (stream In) {
  option (google.api.http) = {get: "/a"}; option (optamil.options.v1.access) = {public: true};
  option (optamil.options.v1.rest) = {rows: "tags"}; } }
service Stream { rpc A(In) returns (stream Out) {
  option (google.api.http) = {get: "/a"}; option (optamil.options.v1.access) = {public: true}; } }
service Upload { rpc A(stream In) returns (Out) {
  option (google.api.http) = {post: "/a" body: "*"}; option (optamil.options.v1.access) = {public: true}; } }
`);

const vanguard = createRoutes([service("Vanguard")]);
const own = createRoutes([
  ChatService,
  ModelService,
  UsageService,
  KeyService,
  AccountService,
  AdminService,
  RouterService,
]);

/** The method that a request leads to and the texts of its path, or what is wrong. */
function find(routes: typeof own, method: string, path: string): string {
  const match = routes.match(method, path);
  if (match.kind === "not_found") return "404";
  if (match.kind === "wrong_method") return `405 ${match.allow}`;
  const [route] = match.alternatives;
  const values = route.template.variables.map(
    ({ path }, index) => `${path}=${match.params[index]}`,
  );
  return [route.method.name, ...values].join(" ");
}

describe("a path", () => {
  // The cases of vanguard-go's router_test.go, and those that notes/protocol.md lists beside them.
  it.each([
    ["/bob/lob/law", "404"],
    ["/foo/bar/baz", "Name name=baz"],
    ["/foo/bob/lob/law", "404"],
    ["/foo/bar/baz/buzz", "Buzz"],
    ["/foo/bar/baz/baz/buzz", "Two name=baz child.id=buzz"],
    ["/foo/bar/1/baz/2/buzz/3", "Three name=1 child.id=2 child.thing.id=3"],
    ["/foo/bar/baz/123", "Cat thing.id=123 cat="],
    ["/foo/bar/baz/123/", "Cat thing.id=123 cat="],
    ["/foo/bar/baz/123/buzz", "Cat thing.id=123 cat=buzz"],
    ["/foo/bar/baz/123/buzz/buzz", "Cat thing.id=123 cat=buzz/buzz"],
    ["/foo/bar/baz/123/buzz/buzz:do", "CatDo thing.id=123 cat=buzz/buzz"],
    ["/foo/bar/baz/123/fizz/buzz:x:do", "CatDo thing.id=123 cat=fizz/buzz:x"],
    ["/foo/bar/1/baz/2/", "Cat thing.id=baz cat=2/"],
    ["/foo%2Fbar/%2A/%2a%2a/%2a%2A/a/b:,", "Escaped cat=**/a/b"],
    ["/foo%2fbar/*/**/**:%2C", "Escaped cat=**"],
    ["/foo/*/**/**:%2C", "404"],
    ["/f%6Fo/b%61r/x", "Name name=x"],
    ["/foo/bar/", "404"],
    ["/foo/bar/a%2Fb", "Name name=a/b"],
    ["/foo/bar/%C3%A4", "Name name=ä"],
    ["/", "404"],
    ["", "404"],
    ["*", "404"],
  ])("%s leads to %s", (path, expected) => {
    expect(find(vanguard, "GET", path)).toBe(expected);
  });

  it.each([
    ["/v1/models", "ListModels"],
    ["/v1/models/gpt-4o", "GetModel model=gpt-4o"],
    ["/v1/models/meta-llama/Llama-3", "GetModel model=meta-llama/Llama-3"],
    ["/v1/models/meta-llama%2FLlama-3", "GetModel model=meta-llama/Llama-3"],
    ["/v1/models/ft:gpt-4o:org::id", "GetModel model=ft:gpt-4o:org::id"],
    ["/v1/models/ft%3Agpt-4o%3Ado", "GetModel model=ft:gpt-4o:do"],
    ["/v1/models/", "GetModel model="],
    ["/v1/usage", "GetUsage"],
    ["/v1/usage:verb", "404"],
    ["/v1/usage:", "404"],
    ["/v1/usage/", "404"],
  ])("of ours, %s, leads to %s: model ids have colons and slashes", (path, expected) => {
    expect(find(own, "GET", path)).toBe(expected);
  });

  it.each(["/foo/bar/%", "/foo/bar/%zz", "/foo/bar/%1", "/foo/bar/%ff", "/%E0%A4%A/x"])(
    "with a broken escape, %s, is refused with invalid_request",
    (path) => {
      expect(() => vanguard.match("GET", path)).toThrow(/percent-escape/);
    },
  );
});

describe("the HTTP method", () => {
  it.each([
    ["POST", "/foo/bar/baz/buzz", "Post"],
    ["DELETE", "/foo/bar/baz/buzz", "405 GET, POST, HEAD"],
    ["POST", "/foo/bar/baz", "405 GET, HEAD"],
    ["PUT", "/many", "Many"],
    ["PATCH", "/many/a", "Many name=a"],
    ["PATCH", "/many", "405 PUT"],
    ["HEAD", "/foo/bar/x", "Name name=x"],
    ["HEAD", "/many", "405 PUT"],
    ["get", "/many", "405 PUT"],
  ])("%s %s leads to %s", (method, path, expected) => {
    expect(find(vanguard, method, path)).toBe(expected);
  });
});

describe("two methods on one route", () => {
  it.each([
    ['{"stream":true}', "StreamChatCompletion"],
    ['{"stream":false}', "CreateChatCompletion"],
    ['{"stream":"true"}', "CreateChatCompletion"],
    ["{}", "CreateChatCompletion"],
  ])("are told apart by a field of the body: %s is for %s", (text, name) => {
    const match = own.match("POST", "/v1/chat/completions");
    if (match.kind !== "found") throw new Error("not found");
    const body = parseJsonBody(new TextEncoder().encode(text));
    expect(pickRoute(match.alternatives, body).method.name).toBe(name);
  });

  it("say how a stream ends", () => {
    expect(own.all.find(({ when }) => when === "stream")?.sse).toEqual({
      done: "[DONE]",
      event: "",
    });
  });
});

describe("at start", () => {
  it("a method without an HTTP rule has no route", () => {
    expect(createRoutes([service("Plain")]).all).toEqual([]);
  });

  it.each([
    ["NoAccess", "test.v1.NoAccess.A: option access is missing"],
    ["BothAccess", "option access says both public and scope"],
    ["Custom", "custom kinds are not supported"],
    ["BadPath", "path template '/a/': expected a segment"],
    ["NoField", "has no field 'nothing'"],
    ["MessageField", "test.v1.In.child cannot be set by a path"],
    ["ListField", "test.v1.In.tags cannot be set by a path"],
    ["MapField", "test.v1.In.map cannot be set by a path"],
    ["DeepField", "has no field 'name.length'"],
    ["NoBody", "body names 'nothing', which is no field of the request"],
    ["TextBody", "body names 'name', which is no message"],
    ["GetBody", "GET cannot have a body"],
    ["ResponseBody", "response_body is not supported"],
    ["NoPattern", "google.api.http names no path"],
    ["Nested", "additional_bindings cannot have additional_bindings"],
    ["Twice", "test.v1.Twice.B and test.v1.Twice.A have the same route /a/{cat}"],
    ["BadWhen", "when names 'name', which is no boolean of the body"],
    ["SseUnary", "sse, done, event and rows are for server streams"],
    ["BadEvent", "event names 'nothing', which is no field of the answer"],
    ["BadRows", "rows names 'tags', which is no repeated message of the answer"],
    ["Stream", "a server stream needs option rest.sse"],
    ["Upload", "REST has no client streams"],
  ])("the service %s is refused: %s", (name, reason) => {
    expect(() => createRoutes([service(name)])).toThrow(reason);
  });

  it("the routes of one path in two services collide", () => {
    expect(() => createRoutes([ModelService, ModelService])).toThrow(/have the same route/);
  });
});
