// gRPC server reflection, v1 and v1alpha, so that tools such as grpcurl need no proto files.
import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  ServerReflection as ServerReflectionAlpha,
  type ServerReflectionRequest as ServerReflectionRequestAlpha,
} from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";

type AnyRequest = ServerReflectionRequest | ServerReflectionRequestAlpha;

/** Where everything is that can be asked for. */
type Index = {
  readonly services: readonly string[];
  readonly fileByName: ReadonlyMap<string, DescFile>;
  /** By full name, without a leading dot. */
  readonly fileBySymbol: ReadonlyMap<string, DescFile>;
  /** By full name of the extended message, then by field number. */
  readonly extensions: ReadonlyMap<string, ReadonlyMap<number, DescFile>>;
};

/**
 * A registration of `grpc.reflection.v1.ServerReflection` and its v1alpha twin, which tell of the given
 * services and of themselves. What is not there is answered in-band with NOT_FOUND, and the stream
 * goes on (the service's proto).
 */
export function createReflection(
  services: readonly DescService[],
): (router: ConnectRouter) => void {
  const index = indexOf([...services, ServerReflection, ServerReflectionAlpha]);

  async function* answerEach<Request extends AnyRequest>(requests: AsyncIterable<Request>) {
    for await (const request of requests) {
      const messageResponse = answer(request.messageRequest, index);
      yield { validHost: request.host, originalRequest: request, messageResponse };
    }
  }

  return (router) => {
    router.rpc(ServerReflection.method.serverReflectionInfo, answerEach<ServerReflectionRequest>);
    router.rpc(
      ServerReflectionAlpha.method.serverReflectionInfo,
      answerEach<ServerReflectionRequestAlpha>,
    );
  };
}

function answer(question: AnyRequest["messageRequest"], index: Index) {
  switch (question.case) {
    case "listServices":
      return {
        case: "listServicesResponse" as const,
        value: { service: index.services.map((name) => ({ name })) },
      };
    case "fileByFilename":
      return answerFile(index.fileByName.get(question.value), question.value);
    case "fileContainingSymbol":
      return answerFile(index.fileBySymbol.get(question.value), question.value);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const file = index.extensions.get(containingType)?.get(extensionNumber);
      return answerFile(file, `${containingType} extension ${extensionNumber}`);
    }
    case "allExtensionNumbersOfType": {
      const known = index.fileBySymbol.has(question.value);
      if (!known) return answerError(Code.NotFound, `${question.value} is unknown.`);
      const extensionNumber = [...(index.extensions.get(question.value)?.keys() ?? [])];
      return {
        case: "allExtensionNumbersResponse" as const,
        value: { baseTypeName: question.value, extensionNumber },
      };
    }
    default:
      return answerError(Code.InvalidArgument, "The request asks for nothing.");
  }
}

function answerFile(file: DescFile | undefined, what: string) {
  if (file === undefined) return answerError(Code.NotFound, `${what} is unknown.`);
  // Clients take the first file as the one asked for.
  const files = [...withDependencies(file)];
  return {
    case: "fileDescriptorResponse" as const,
    value: {
      fileDescriptorProto: files.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)),
    },
  };
}

function answerError(errorCode: Code, errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode, errorMessage } };
}

/** A file, then all that it imports, directly or not, each once. */
function withDependencies(file: DescFile, seen = new Set<DescFile>()): Set<DescFile> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const dependency of file.dependencies) withDependencies(dependency, seen);
  return seen;
}

function indexOf(services: readonly DescService[]): Index {
  const files = new Set<DescFile>();
  for (const { file } of services) withDependencies(file, files);
  // The details of refusals, which no method names: grpcurl shows them only if it can ask for their type.
  withDependencies(file_google_rpc_error_details, files);
  const fileBySymbol = new Map<string, DescFile>();
  const extensions = new Map<string, Map<number, DescFile>>();
  for (const file of files) {
    for (const symbol of symbolsOf(file)) fileBySymbol.set(symbol, file);
    for (const type of nestedTypes(file)) {
      if (type.kind !== "extension") continue;
      const extended = type.extendee.typeName;
      const numbers = extensions.get(extended) ?? new Map<number, DescFile>();
      extensions.set(extended, numbers.set(type.number, file));
    }
  }
  return {
    services: services.map(({ typeName }) => typeName),
    fileByName: new Map([...files].map((file) => [file.proto.name, file])),
    fileBySymbol,
    extensions,
  };
}

/** The full names of all that a file declares. */
function* symbolsOf(file: DescFile): Generator<string> {
  for (const type of nestedTypes(file)) {
    yield type.typeName;
    switch (type.kind) {
      case "message":
        for (const { name } of type.fields) yield `${type.typeName}.${name}`;
        for (const { name } of type.oneofs) yield `${type.typeName}.${name}`;
        break;
      case "enum": {
        // Values are siblings of their enum, as in C++.
        const scope = type.typeName.slice(0, -type.name.length);
        for (const { name } of type.values) yield `${scope}${name}`;
        break;
      }
      case "service":
        for (const { name } of type.methods) yield `${type.typeName}.${name}`;
    }
  }
}
