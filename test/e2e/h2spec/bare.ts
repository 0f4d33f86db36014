/** A server of `node:http2` alone: what it cannot do, a server that stands on it cannot either. */
import { createServer } from "node:http2";
import { refusalHeldMs } from "../../../src/gateway/hold-refusal.ts";

const server = createServer((request, response) => {
  request.resume();
  // As late as the gateway refuses a request without a key.
  setTimeout(() => {
    response.writeHead(200, { "content-type": "text/plain" });
    response.end("Hello.");
  }, refusalHeldMs);
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(`port ${typeof address === "object" && address?.port}`);
});
