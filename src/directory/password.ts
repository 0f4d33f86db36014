// Passwords are kept as scrypt hashes (RFC 7914) only.
import { Buffer } from "node:buffer";
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { OptamilError } from "../platform/errors.ts";

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

const spelling = /^\$scrypt\$ln=15,r=8,p=1\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/;
/** Of no password: what is compared where there is no account, so that this takes as long as where there is one. */
const nobodysHash = `$scrypt$ln=${costLog2},r=${blockSize},p=${parallelization}$${"A".repeat(22)}$${"A".repeat(43)}`;

async function isPassword(password: string, passwordHash: string): Promise<boolean> {
  const [, salt = "", hash = ""] = spelling.exec(passwordHash || nobodysHash) ?? [];
  const derived = await derive(password.normalize("NFC"), Buffer.from(salt, "base64"));
  const expected = Buffer.from(hash, "base64");
  const same = expected.length === derived.length && timingSafeEqual(expected, derived);
  return same && passwordHash !== "";
}

/** Hashes and compares passwords, a few at a time. */
export interface PasswordRoom {
  /** As `hashPassword`. Throws `rate_limit_exceeded` where there is no room. */
  hash(password: string): Promise<string>;
  /** Whether a password is the one of a hash; "" is the hash of none, and takes as long. Throws the same. */
  isPassword(password: string, passwordHash: string): Promise<boolean>;
}

/** Waiting for a thread included; each takes 32 MiB and some 100 ms once it has one. */
const hashingMax = 8;
const retryAfterMs = 1_000;

/** A room for as many as may be hashed at once; more are refused, as they would only wait. */
export function createPasswordRoom(): PasswordRoom {
  let hashing = 0;
  async function enter<T>(work: () => Promise<T>): Promise<T> {
    if (hashing >= hashingMax) {
      const message = "Too many passwords are being checked. Wait a moment.";
      throw new OptamilError("rate_limit_exceeded", message, { retryAfterMs });
    }
    hashing += 1;
    try {
      return await work();
    } finally {
      hashing -= 1;
    }
  }
  return {
    hash: (password) => enter(() => hashPassword(password)),
    isPassword: (password, passwordHash) => enter(() => isPassword(password, passwordHash)),
  };
}
