// Passwords are kept as scrypt hashes (RFC 7914) only.
import type { Buffer } from "node:buffer";
import { randomBytes, scrypt } from "node:crypto";

/** With the block size below: 32 MiB for each hash that is being made, on a thread of the pool. */
const costLog2 = 15;
const blockSize = 8;
const parallelization = 1;
const saltBytes = 16;
const hashBytes = 32;

/** scrypt needs 128 × N × r and a little more; node's own default is exactly that. */
const memoryBytesMax = 64 * 1024 * 1024;

/**
 * The hash of a password with a salt of its own, in PHC's spelling, which states the parameters:
 * `$scrypt$ln=15,r=8,p=1$salt$hash`, base64 without padding. Letters that look alike because Unicode can
 * write them in two ways are the same (NFC, RFC 8265 §4.2.2).
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await derive(password.normalize("NFC"), salt);
  const parameters = `ln=${costLog2},r=${blockSize},p=${parallelization}`;
  return `$scrypt$${parameters}$${toBase64(salt)}$${toBase64(hash)}`;
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  const options = {
    N: 2 ** costLog2,
    r: blockSize,
    p: parallelization,
    maxmem: memoryBytesMax,
  };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, hashBytes, options, (error, hash) => {
      if (error === null) resolve(hash);
      else reject(error);
    });
  });
}

function toBase64(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
