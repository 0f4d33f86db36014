// Reads a request body, bounded and checked, without a promise for each piece.
import { OptamilError } from "../platform/errors.ts";
import type { DoorRequest } from "./listen.ts";

/**
 * The whole body. Throws `body_too_large` beyond `bytesMax`, `unsupported_media_type` for a content type
 * that is not JSON or a content encoding, `invalid_request` when the client breaks off.
 */
export function readBody(request: DoorRequest, bytesMax: number): Promise<Uint8Array> {
  const refusal = refuseByHeaders(request, bytesMax);
  if (refusal !== undefined) return Promise.reject(refusal);
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    let size = 0;
    let complete = false;
    request.on("data", (piece: Uint8Array) => {
      size += piece.byteLength;
      if (size > bytesMax) reject(tooLarge(bytesMax));
      else pieces.push(piece);
    });
    request.on("end", () => {
      complete = true;
      const [only] = pieces;
      resolve(pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces, size));
    });
    request.on("error", (cause) => reject(brokenOff(cause)));
    request.on("close", () => {
      if (!complete) reject(brokenOff(undefined));
    });
  });
}

function refuseByHeaders(request: DoorRequest, bytesMax: number): OptamilError | undefined {
  const type = request.headers["content-type"];
  if (type === undefined || !/^application\/([a-z0-9.+-]+\+)?json\s*(;|$)/i.test(type)) {
    const given = type === undefined ? "none" : `'${type.slice(0, 100)}'`;
    return new OptamilError(
      "unsupported_media_type",
      `The content type must be application/json, got ${given}.`,
    );
  }
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    return new OptamilError(
      "unsupported_media_type",
      `The content encoding '${encoding.slice(0, 100)}' is not supported: send the body as it is.`,
    );
  }
  return Number(request.headers["content-length"]) > bytesMax ? tooLarge(bytesMax) : undefined;
}

function tooLarge(bytesMax: number): OptamilError {
  return new OptamilError("body_too_large", `The request body is larger than ${bytesMax} bytes.`);
}

function brokenOff(cause: unknown): OptamilError {
  return new OptamilError("invalid_request", "The request body broke off.", { cause });
}
