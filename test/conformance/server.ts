/**
 * The server that `connectconformance` starts: it reads what is asked for on stdin, serves the
 * conformance service behind `listen()`, and says on stdout where. Argument: the descriptor image.
 */
import { readFileSync } from "node:fs";
import {
  create,
  createFileRegistry,
  type DescMessage,
  fromBinary,
  type Message,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createGrpcServer } from "../../src/gateway/grpc-call.ts";
import { listen } from "../../src/gateway/listen.ts";
import { conformanceGrpcMethods, registerConformance } from "./service.ts";

type ServerRequest = Message & {
  useTls: boolean;
  serverCreds?: { cert: Uint8Array; key: Uint8Array };
};

const lengthBytes = 4;
const messageBytesMax = 4 * 1024 * 1024;
const packageName = "connectrpc.conformance.v1";

const image = fromBinary(FileDescriptorSetSchema, readFileSync(process.argv[2] ?? ""));
const registry = createFileRegistry(image);
const service = registry.getService(`${packageName}.ConformanceService`);
if (service === undefined) throw new Error("the image has no conformance service");

const request = await readRequest(messageOf("ServerCompatRequest"));
const tls = request.useTls ? request.serverCreds : undefined;
const serveGrpc = createGrpcServer(conformanceGrpcMethods(service), messageBytesMax);
const serveRest = connectNodeAdapter({
  routes: (router) => registerConformance(router, service),
  jsonOptions: { registry },
});
const listener = await listen(
  (httpRequest, httpResponse) => {
    if (!serveGrpc(httpRequest, httpResponse)) serveRest(httpRequest, httpResponse);
  },
  tls ? { tls } : {},
);
const { port } = listener;
const response = { host: "127.0.0.1", port, ...(tls && { pemCert: tls.cert }) };
writeResponse(messageOf("ServerCompatResponse"), response);
process.once("SIGTERM", async () => {
  await listener.close({ drainMs: 0 });
  process.exit(0);
});

function messageOf(name: string): DescMessage {
  const desc = registry.getMessage(`${packageName}.${name}`);
  if (desc === undefined) throw new Error(`the image has no ${name}`);
  return desc;
}

async function readRequest(desc: DescMessage): Promise<ServerRequest> {
  let input = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    input = Buffer.concat([input, chunk]);
    if (input.length < lengthBytes) continue;
    const end = lengthBytes + input.readUInt32BE();
    // The descriptors come at run time, so the compiler cannot know the shape.
    if (input.length >= end)
      return fromBinary(desc, input.subarray(lengthBytes, end)) as ServerRequest;
  }
  throw new Error("stdin ended before the request");
}

function writeResponse(desc: DescMessage, value: Record<string, unknown>): void {
  const body = toBinary(desc, create(desc, value));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(body.length);
  process.stdout.write(Buffer.concat([length, body]));
}
