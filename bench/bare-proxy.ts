// The unit of every figure: node:http in front of undici's dispatch, nothing in between.
import { createServer } from "node:http";
import { Pool } from "undici";

const upstream = new Pool(process.argv[2] ?? "", { connections: 64, pipelining: 1 });
const server = createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const answer: Buffer[] = [];
    upstream.dispatch(
      {
        path: request.url ?? "/",
        method: "POST",
        headers: { "content-type": "application/json" },
        body: Buffer.concat(pieces),
      },
      {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          response.statusCode = statusCode;
        },
        onResponseData(_controller, piece) {
          answer.push(piece);
        },
        onResponseEnd() {
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
