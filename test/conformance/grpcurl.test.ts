import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createHealth } from "../../src/gateway/health.ts";
import { type Listener, listen } from "../../src/gateway/listen.ts";
import { createReflection } from "../../src/gateway/reflection.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ChatService } from "../../src/gen/optamil/v1/chat_pb.ts";
import { describeWith } from "../setup/describe-with.ts";
import { goTool } from "../setup/go-tool.ts";
import { run } from "../setup/process.ts";

const services = [ChatService, Health];
const readiness = { ready: () => true, onChange: () => () => undefined };

await describeWith(
  "grpcurl, without any proto file,",
  () => goTool("grpcurl"),
  (grpcurl) => {
    let listener: Listener;
    beforeAll(async () => {
      const registrations = [createReflection(services), createHealth({ services, readiness })];
      const routes = connectNodeAdapter({
        routes: (router) => {
          for (const register of registrations) register(router);
        },
      });
      listener = await listen(routes);
    });
    afterAll(() => listener.close({ drainMs: 0 }));

    const ask = async (...args: string[]) => {
      const address = `127.0.0.1:${listener.port}`;
      const { stdout, stderr } = await run(grpcurl, ["-plaintext", address, ...args]);
      return `${stdout}${stderr}`;
    };

    it("lists the services", async () => {
      expect((await ask("list")).trim().split("\n")).toEqual([
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "optamil.v1.ChatService",
      ]);
    });

    it("describes a service with its options", async () => {
      const text = await ask("describe", ChatService.typeName);
      expect(text).toContain("rpc CreateChatCompletion (");
      expect(text).toContain("option (.google.api.http) = ");
    });

    it("calls a method", async () => {
      expect(JSON.parse(await ask("grpc.health.v1.Health/Check"))).toEqual({ status: "SERVING" });
    });
  },
);
