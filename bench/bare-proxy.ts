// The unit of every figure: node:http in front of undici's dispatch, nothing in between.
import { createServer } from "node:http";
import { Pool } from "undici";

const upstream = new Pool(process.argv[2] ?? "", { connections: 64, pipelining: 1 });
const server = createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const answer: Buffer[] = [];
    let isStream = false;
    upstream.dispatch(
      {
        path: request.url ?? "/",
        method: "POST",
        headers: { "content-type": "application/json" },
        body: Buffer.concat(pieces),
      },
      {
        onRequestStart() {},
        onResponseStart(_controller, statusCode, headers) {
          response.statusCode = statusCode;
          isStream = headers["content-type"] === "text/event-stream";
          if (isStream) response.setHeader("content-type", "text/event-stream");
        },
        onResponseData(_controller, piece) {
          if (isStream) response.write(piece);
          else answer.push(piece);
        },
        onResponseEnd() {
          if (isStream) {
            response.end();
            return;
          }
          const body = Buffer.concat(answer);
          response.setHeader("content-type", "application/json");
          response.setHeader("content-length", body.length);
          response.end(body);
        },
        onResponseError() {
          response.destroy();
        },
      },
    );
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  process.stdout.write(`listening ${port}\n`);
});
