/** Which addresses a provider's host may lead to. */
import { createServer, type Server } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import {
  type AddressKind,
  createGuardedLookup,
  kindOf,
  type Resolve,
} from "../../src/providers/egress.ts";
import { toCall } from "./calls.ts";
import { useOpenAi } from "./openai-fixture.ts";

const fake = useOpenAi();

describe("an address is", () => {
  it.each<[AddressKind, string[]]>([
    ["public", ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"]],
    ["public", ["172.15.255.255", "172.32.0.0", "192.167.255.255", "223.255.255.255"]],
    ["public", ["2606:4700::1111", "2a00::1", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1"]],
    ["private", ["127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "192.168.255.255"]],
    ["private", ["172.16.0.1", "172.31.255.255", "100.64.0.1", "198.18.0.1", "192.0.0.8"]],
    ["private", ["::1", "::", "fc00::1", "fdff::1", "fec0::1", "2001:db8::1"]],
    ["private", ["::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:a00:1", "0:0:0:0:0:ffff:10.0.0.1"]],
    ["private", ["::127.0.0.1", "64:ff9b::10.0.0.1", "64:FF9B::C0A8:0001"]],
    ["barred", ["169.254.169.254", "169.254.0.1", "168.63.129.16", "100.100.100.200"]],
    ["barred", ["fd00:ec2::254", "fd00:0ec2:0:0:0:0:0:254", "fd20:ce::254", "fe80::1"]],
    ["barred", ["fe80::1%eth0", "febf::1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe"]],
    ["barred", ["64:ff9b::a9fe:a9fe", "::169.254.169.254", "2002:a9fe:a9fe::1", "2001:0:1::1"]],
    ["barred", ["224.0.0.1", "255.255.255.255", "ff02::1", "::ffff:0:10.0.0.1"]],
    ["barred", ["", "example.org", "0x7f000001", "2130706433", "127.1", "1.1.1.1 "]],
  ])("%s: %j", (kind, addresses) => {
    expect(addresses.map(kindOf)).toEqual(addresses.map(() => kind));
  });

  it("the same in every spelling that carries it", () => {
    const octet = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(fc.tuple(octet, octet, octet, octet), ([a, b, c, d]) => {
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        const dotted = `${a}.${b}.${c}.${d}`;
        const spellings = [`::ffff:${dotted}`, `::ffff:${hex}`, `64:ff9b::${hex}`];
        expect(new Set(spellings.map(kindOf))).toEqual(new Set([kindOf(dotted)]));
      }),
    );
  });
});

/** A DNS that gives each name these addresses, one list a question, the last one for ever. */
function resolving(...answers: string[][]): { resolve: Resolve; asked: string[] } {
  const asked: string[] = [];
  // The overloads of `dns.lookup` are more than the guard asks of it.
  const resolve = ((host: string, _how: object, tell: (error: null, all: object[]) => void) => {
    asked.push(host);
    const addresses = (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
    tell(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  }) as Resolve;
  return { resolve, asked };
}

type Found = { readonly error: string | undefined; readonly addresses: unknown };

function find(
  host: string,
  addresses: string[],
  options: { allowPrivateNetwork?: boolean; all?: boolean } = {},
): Found {
  const { all = true, ...rest } = options;
  const lookup = createGuardedLookup({ name: "lab", host, ...resolving(addresses), ...rest });
  let found: Found | undefined;
  lookup(host, { all }, (error, got) => {
    found = { error: error?.message, addresses: got };
  });
  if (found === undefined) throw new Error("no answer");
  return found;
}

const listOf = (...addresses: string[]) =>
  addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));

describe("a name", () => {
  it.each(["api.example.org", "localhost.example.org", "internal.example.org", "local.net"])(
    "that is public (%s) leads to public addresses only",
    (host) => {
      const mixed = ["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111", "169.254.169.254"];
      expect(find(host, mixed).addresses).toEqual(listOf("1.1.1.1", "2606:4700::1111"));
      expect(find(host, ["10.0.0.1"]).error).toBe(
        `provider 'lab': ${host} leads to 10.0.0.1, a private address: set allowPrivateNetwork for this provider if that is meant`,
      );
      expect(find(host, ["::ffff:127.0.0.1"]).error).toContain("a private address");
    },
  );

  it.each(["localhost", "LOCALHOST.", "ollama", "vllm.internal", "gpu.home.arpa", "nas.local"])(
    "that no public DNS has (%s) may lead to private ones",
    (host) => {
      expect(find(host, ["10.0.0.1", "::1"]).addresses).toEqual(listOf("10.0.0.1", "::1"));
    },
  );

  it("may lead to private ones where the operator says so", () => {
    const options = { allowPrivateNetwork: true };
    expect(find("api.example.org", ["10.0.0.1"], options).addresses).toEqual(listOf("10.0.0.1"));
  });

  it.each(["api.example.org", "localhost", "ollama"])("never leads to metadata (%s)", (host) => {
    for (const address of [
      "169.254.169.254",
      "::ffff:169.254.169.254",
      "fd00:ec2::254",
      "fe80::1",
    ]) {
      expect(find(host, [address], { allowPrivateNetwork: true }).error).toBe(
        `provider 'lab': ${host} leads to ${address}, which no name may lead to: write the address into baseUrl if that is meant`,
      );
    }
  });

  it("leads to one address where one is asked for", () => {
    const found = find("api.example.org", ["10.0.0.1", "1.1.1.1"], { all: false });
    expect(found).toEqual({ error: undefined, addresses: "1.1.1.1" });
  });

  it("without an address leads nowhere", () => {
    expect(find("api.example.org", []).error).toContain("leads to no address");
  });
});

describe("a provider", () => {
  const named = () => fake.upstream.baseUrl.replace("127.0.0.1", "api.example.org");

  it("whose public name leads here is not connected to, and its operator is told why, once", async () => {
    const troubles: string[] = [];
    const { resolve } = resolving(["127.0.0.1"]);
    const options = { baseUrl: named(), resolve, onTrouble: (line: string) => troubles.push(line) };
    const provider = fake.open(options);
    for (let i = 0; i < 3; i += 1) {
      const failure = await provider.complete(toCall("json"));
      expect(failure).toMatchObject({ ok: false, errorClass: "connect", tryNext: true });
    }
    expect(fake.upstream.requests).toEqual([]);
    expect(troubles).toEqual([expect.stringContaining("api.example.org leads to 127.0.0.1")]);
  });

  it("is asked under its own name where private networks are allowed", async () => {
    const { resolve } = resolving(["127.0.0.1"]);
    const provider = fake.open({ baseUrl: named(), resolve, allowPrivateNetwork: true });
    expect(await provider.complete(toCall("json"))).toMatchObject({ ok: true });
    expect(fake.upstream.requests[0]?.headers.host).toMatch(/^api\.example\.org:\d+$/);
  });

  it("is connected to by the address that was checked: a second answer of the DNS is not asked for", async () => {
    const { resolve, asked } = resolving(["127.0.0.1"], ["169.254.169.254"]);
    const provider = fake.open({ baseUrl: named(), resolve, allowPrivateNetwork: true });
    expect(await provider.complete(toCall("json"))).toMatchObject({ ok: true });
    expect(asked).toEqual(["api.example.org"]);
  });

  it("that is written as an address, or localhost, is connected to", async () => {
    for (const host of ["127.0.0.1", "localhost", "0x7f.1"]) {
      const baseUrl = fake.upstream.baseUrl.replace("127.0.0.1", host);
      expect(await fake.open({ baseUrl }).complete(toCall("json"))).toMatchObject({ ok: true });
    }
  });
});

describe("a redirect", () => {
  let trap: Server | undefined;
  afterEach(() => trap?.close());

  it.each([301, 302, 303, 307, 308])("of status %s is not followed", async (status) => {
    let visits = 0;
    const server = createServer((socket) => {
      visits += 1;
      socket.destroy();
    });
    trap = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    fake.upstream.play = (response) => {
      response.writeHead(status, { location: `http://127.0.0.1:${port}/v1/chat/completions` });
      response.end();
    };
    const failure = await fake.open().complete(toCall("json"));
    expect(failure).toMatchObject({ ok: false, status, errorClass: "http_3xx" });
    expect(fake.upstream.requests).toHaveLength(1);
    expect(visits).toBe(0);
  });
});
