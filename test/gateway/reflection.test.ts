import { createFileRegistry, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, createClient, type Transport } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Listener, listen } from "../../src/gateway/listen.ts";
import { createReflection } from "../../src/gateway/reflection.ts";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
} from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { ChatService } from "../../src/gen/optamil/v1/chat_pb.ts";

type Question = NonNullable<
  MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]
>;

const chatFile = "optamil/v1/chat.proto";
const methodOptions = "google.protobuf.MethodOptions";
const httpOption = 72295728;

describe.each([ServerReflection, ServerReflectionAlpha])("$typeName", (service) => {
  let listener: Listener;
  let transport: Transport;
  beforeAll(async () => {
    listener = await listen(connectNodeAdapter({ routes: createReflection([ChatService]) }));
    transport = createGrpcTransport({ baseUrl: listener.url });
  });
  afterAll(() => listener.close({ drainMs: 0 }));

  async function ask(...questions: Question[]) {
    async function* requests() {
      for (const messageRequest of questions) yield { host: "localhost", messageRequest };
    }
    const answers = [];
    // Both versions have one shape, of which the client is typed by the first.
    const client = createClient(service as typeof ServerReflection, transport);
    for await (const answer of client.serverReflectionInfo(requests())) answers.push(answer);
    return answers;
  }

  async function askForFiles(question: Question): Promise<FileDescriptorProto[]> {
    const [answer] = await ask(question);
    const response = answer?.messageResponse;
    if (response?.case !== "fileDescriptorResponse") throw new Error(`got ${response?.case}`);
    return response.value.fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
  }

  it("lists the given services and itself", async () => {
    const [answer] = await ask({ case: "listServices", value: "" });
    expect(answer?.messageResponse.value).toMatchObject({
      service: [
        { name: "optamil.v1.ChatService" },
        { name: "grpc.reflection.v1.ServerReflection" },
        { name: "grpc.reflection.v1alpha.ServerReflection" },
      ],
    });
  });

  it("gives a file by its name, first, with all that it needs to be understood", async () => {
    const [file, ...needed] = await askForFiles({ case: "fileByFilename", value: chatFile });
    if (file === undefined) throw new Error("got no file");
    expect(file.name).toBe(chatFile);
    const registry = createFileRegistry(file, (name) => needed.find((one) => one.name === name));
    expect(registry.getService(ChatService.typeName)?.methods).toHaveLength(
      ChatService.methods.length,
    );
  });

  it.each([
    ["a service", "optamil.v1.ChatService", chatFile],
    ["a method", "optamil.v1.ChatService.CreateChatCompletion", chatFile],
    ["a message", "google.api.HttpRule", "google/api/http.proto"],
    [
      "a nested message",
      "google.protobuf.DescriptorProto.ReservedRange",
      "google/protobuf/descriptor.proto",
    ],
    ["a field", "google.api.HttpRule.selector", "google/api/http.proto"],
    ["a oneof", "google.api.HttpRule.pattern", "google/api/http.proto"],
    ["an enum", "google.protobuf.FieldOptions.CType", "google/protobuf/descriptor.proto"],
    ["an enum value", "google.protobuf.FieldOptions.STRING", "google/protobuf/descriptor.proto"],
    ["an extension", "google.api.http", "google/api/annotations.proto"],
  ])("finds the file of %s", async (_kind, value, name) => {
    expect((await askForFiles({ case: "fileContainingSymbol", value }))[0]?.name).toBe(name);
  });

  it("finds the file of an extension by the message that it extends", async () => {
    const value = { containingType: methodOptions, extensionNumber: httpOption };
    const [file] = await askForFiles({ case: "fileContainingExtension", value });
    expect(file?.name).toBe("google/api/annotations.proto");
  });

  it("gives the numbers of all extensions of a message", async () => {
    const [extended, plain] = await ask(
      { case: "allExtensionNumbersOfType", value: methodOptions },
      { case: "allExtensionNumbersOfType", value: "google.api.HttpRule" },
    );
    expect(extended?.messageResponse.value).toMatchObject({
      baseTypeName: methodOptions,
      extensionNumber: expect.arrayContaining([httpOption]),
    });
    expect(plain?.messageResponse.value).toMatchObject({ extensionNumber: [] });
  });

  it("answers what it does not know in-band and goes on", async () => {
    const containingType = methodOptions;
    const answers = await ask(
      { case: "fileByFilename", value: "no.proto" },
      { case: "fileContainingSymbol", value: "no.Such" },
      { case: "fileContainingExtension", value: { containingType, extensionNumber: 1 } },
      { case: "allExtensionNumbersOfType", value: "no.Such" },
      { case: undefined },
      { case: "listServices", value: "" },
    );
    const codes = answers.map(({ messageResponse: { value } }) =>
      value && "errorCode" in value ? value.errorCode : undefined,
    );
    const { NotFound, InvalidArgument } = Code;
    expect(codes).toEqual([NotFound, NotFound, NotFound, NotFound, InvalidArgument, undefined]);
    expect(answers[0]?.originalRequest?.messageRequest.value).toBe("no.proto");
  });
});
