import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { describeWith } from "../setup/describe-with.ts";
import { goTool } from "../setup/go-tool.ts";
import { run } from "../setup/process.ts";
import { type PythonEnvironment, pythonPackages } from "../setup/python-packages.ts";
import { projectRoot } from "../setup/runtime.ts";
import { bearer } from "./doors.ts";
import { startGateway, temporaryFolder } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

const gateway = await startGateway();
const address = `127.0.0.1:${gateway.port}`;
const noProxy = { NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" };

/** The text of the same request over REST. */
async function restText(): Promise<string> {
  const reply = await sendHttp1(gateway.url, {
    path: "/v1/chat/completions",
    headers: bearer(gateway.key),
    body: { model: "auto", messages: [{ role: "user", content: "Say hello." }] },
  });
  return JSON.parse(reply.text).choices[0].message.content;
}

await describeWith(
  "grpcurl",
  () => goTool("grpcurl"),
  (grpcurl) => {
    const call = async (...args: string[]) => {
      const result = await run(grpcurl, ["-plaintext", ...args], { env: noProxy });
      expect(result, result.stderr).toMatchObject({ code: 0 });
      return result.stdout;
    };
    const authorization = `authorization: Bearer ${gateway.key}`;
    const content = { text: "Say hello." };
    const request = JSON.stringify({ model: "auto", messages: [{ role: "user", content }] });

    it("lists the services by reflection", async () => {
      const services = (await call(address, "list")).trim().split("\n");
      expect(services).toEqual(
        expect.arrayContaining([
          "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection",
          "optamil.v1.ChatService",
          "optamil.v1.KeyService",
          "optamil.v1.ModelService",
        ]),
      );
    });

    it("describes the chat service with its REST route", async () => {
      const described = await call(address, "describe", "optamil.v1.ChatService");
      expect(described).toContain("optamil.v1.ChatService is a service:");
      expect(described).toMatch(/\( stream \.optamil\.v1\.StreamChatCompletionResponse \)/);
      expect(described).toMatch(/post: ?"\/v1\/chat\/completions"/);
    });

    it("describes a message with the types that it is made of", async () => {
      const described = await call(address, "describe", ".optamil.v1.ChatContent");
      expect(described).toMatch(/oneof kind \{[\s\S]+string text = 1;/);
    });

    it("streams a chat", async () => {
      const args = ["-H", authorization, "-d", request, address];
      const printed = await call(...args, "optamil.v1.ChatService/StreamChatCompletion");
      const chunks = JSON.parse(`[${printed.trim().replaceAll(/\n\}\n\{\n/g, "\n},{\n")}]`);
      expect(chunks.length).toBeGreaterThan(3);
      const pieces = chunks.map((chunk: { choices: { delta: { content?: string } }[] }) => {
        return chunk.choices[0]?.delta.content ?? "";
      });
      expect(pieces.join("")).toBe(await restText());
    });

    it("shows the details of a refusal", async () => {
      const args = ["-plaintext", "-d", request, address];
      const refused = await run(grpcurl, [...args, "optamil.v1.ChatService/StreamChatCompletion"]);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toMatch(/Code: Unauthenticated/);
      expect(refused.stderr).toMatch(/"reason": ?"authentication_error"/);
    });

    it("checks the health without a key", async () => {
      expect(JSON.parse(await call(address, "grpc.health.v1.Health/Check"))).toEqual({
        status: "SERVING",
      });
    });
  },
);

const protos = [
  "buf/validate/validate.proto",
  "google/api/annotations.proto",
  "google/api/http.proto",
  "google/rpc/error_details.proto",
  "optamil/options/v1/options.proto",
  "optamil/v1/chat.proto",
  "optamil/v1/models.proto",
];

// What grpc-status-details-bin holds. Source: googleapis, google/rpc/status.proto.
const statusProto = `syntax = "proto3";
package google.rpc;
import "google/protobuf/any.proto";
message Status {
  int32 code = 1;
  string message = 2;
  repeated google.protobuf.Any details = 3;
}
`;

/** Makes Python stubs from the project's proto files and gives their folder. */
async function pythonStubs(python: PythonEnvironment): Promise<string> {
  const folder = await temporaryFolder();
  const status = join(folder, "google/rpc/status.proto");
  await mkdir(dirname(status), { recursive: true });
  await writeFile(status, statusProto);
  const paths = ["-I", join(projectRoot, "proto"), "-I", folder];
  const outputs = [`--python_out=${folder}`, `--grpc_python_out=${folder}`];
  const args = ["-m", "grpc_tools.protoc", ...paths, ...outputs, ...protos, status];
  const made = await run(python.command, args, { env: { ...python.env } });
  expect(made, made.stderr).toMatchObject({ code: 0 });
  return folder;
}

await describeWith(
  "python grpcio with stubs from proto/",
  () => pythonPackages("grpc"),
  (python) => {
    const seen = (async () => {
      const stubs = await pythonStubs(python);
      const script = join(projectRoot, "test/e2e/grpc-client.py");
      const { stdout, stderr, code } = await run(python.command, [script, address, gateway.key], {
        env: { ...noProxy, ...python.env, PYTHONPATH: `${stubs}:${python.env.PYTHONPATH}` },
      });
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout);
    })();
    // A failure is reported by each test that awaits it.
    seen.catch(() => undefined);

    it("gets an answer with its usage and the caller's request id", async () => {
      const { text, tokens, request_id } = await seen;
      expect(text).toBe(await restText());
      expect(tokens).toBeGreaterThan(0);
      expect(request_id).toBe("from-python");
    });

    it("streams the same text, with the model in the leading metadata", async () => {
      const { text, pieces, model, models } = await seen;
      expect(pieces.length).toBeGreaterThan(3);
      expect(pieces.join("")).toBe(text);
      expect(models).toContain(model);
    });

    it("lists the models, auto first", async () => {
      const { models } = await seen;
      expect(models[0]).toBe("auto");
      expect(models.length).toBeGreaterThan(55);
    });

    it("finds the chat service healthy", async () => {
      expect((await seen).health).toBe("SERVING");
    });

    it("gets the details of a refusal", async () => {
      const { error } = await seen;
      expect(error).toEqual({
        code: "NOT_FOUND",
        message: expect.stringMatching(/'no-such-model' does not exist/),
        status: { code: 5, message: error.message },
        info: { reason: "model_not_found", domain: "optamil", metadata: { param: "model" } },
      });
    });
  },
);
