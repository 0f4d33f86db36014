// Guards where connections to a provider may lead, by the addresses that its host has when they are opened.
import { lookup } from "node:dns";
import { BlockList, isIP, isIPv6, type LookupFunction } from "node:net";

/** What an address is to the guard: free to all, for providers with private networks, or never resolved to. */
export type AddressKind = "public" | "private" | "barred";

/** Resolves a name; as `dns.lookup`, which asks the hosts file too. */
export type Resolve = typeof lookup;

/** Whom the guard is for. */
export type EgressOptions = {
  /** Name of the provider, for the operator. */
  readonly name: string;
  /** Host of its base URL. */
  readonly host: string;
  /** Whether a public name may lead to a private address. Default false: whoever has its DNS could send us there. */
  readonly allowPrivateNetwork?: boolean | undefined;
  /** Default `dns.lookup`. */
  readonly resolve?: Resolve | undefined;
  /** Told why a host is not connected to, once for each of its addresses. Default: nobody. */
  readonly onTrouble?: ((message: string) => void) | undefined;
};

/** Link-local, multicast and reserved networks (RFC 6890), and single addresses that clouds answer metadata at. */
const barredIpv4 = ["169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"].concat(
  ...["100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"],
);
/** The same, and the tunnels that hide an IPv4 address: 6to4, Teredo, local NAT64, SIIT. */
const barredIpv6 = ["fe80::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128"].concat(
  ...["2002::/16", "2001::/32", "64:ff9b:1::/48", "::ffff:0:0:0/96"],
);
/** Everything that RFC 6890 does not call global. */
const privateIpv4 = ["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8"].concat(
  ...["172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16"],
  ...["198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"],
);
const privateIpv6 = ["100::/64", "2001::/23", "2001:db8::/32", "fc00::/7", "fec0::/10"];

/** IPv6 networks whose last 32 bits are an IPv4 address: mapped, NAT64 (RFC 6052), compatible with `::1` among them. */
const ipv4Carriers = ["::ffff:", "64:ff9b::", "::"];

/** A host that changes its address with every answer shall not fill the log, or the memory. */
const toldMax = 100;

const barred = toBlockList(barredIpv4, barredIpv6);
const privateNetworks = toBlockList(privateIpv4, privateIpv6);

function toBlockList(ipv4: readonly string[], ipv6: readonly string[]): BlockList {
  const list = new BlockList();
  const addRow = (row: string, family: "ipv4" | "ipv6") => {
    const [network = "", bits] = row.split("/");
    list.addSubnet(network, Number(bits), family);
    if (family === "ipv6") return;
    for (const carrier of ipv4Carriers)
      list.addSubnet(carrier + network, 96 + Number(bits), "ipv6");
  };
  for (const row of ipv4) addRow(row, "ipv4");
  for (const row of ipv6) addRow(row, "ipv6");
  return list;
}

/** What an address is, in whatever spelling; what is no address is barred. */
export function kindOf(address: string): AddressKind {
  // Behind "%" is the network interface.
  const [plain = ""] = address.split("%", 1);
  if (isIP(plain) === 0) return "barred";
  const family = isIPv6(plain) ? "ipv6" : "ipv4";
  if (barred.check(plain, family)) return "barred";
  return privateNetworks.check(plain, family) ? "private" : "public";
}

/** Names that only a local network or this machine can know (RFC 6761, 6762, 8375; ICANN's `internal`). */
function isLocalName(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  return !name.includes(".") || /\.(localhost|local|internal|home\.arpa)$/.test(name);
}

/**
 * The `lookup` of a provider's sockets: exactly the addresses that it hands on are connected to, so that no second
 * answer of the DNS can lead elsewhere. A host that is written as an address is never looked up: its operator chose it.
 */
export function createGuardedLookup(options: EgressOptions): LookupFunction {
  const { host, resolve = lookup, onTrouble } = options;
  const mayBePrivate = options.allowPrivateNetwork === true || isLocalName(host);
  const isAllowed = ({ address }: { address: string }) => {
    const kind = kindOf(address);
    return kind === "public" || (kind === "private" && mayBePrivate);
  };
  const told = new Set<string>();
  return (hostname, { all, ...how }, callback) => {
    resolve(hostname, { ...how, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      const [first, ...others] = addresses.filter(isAllowed);
      if (first === undefined) {
        const refusal = refusalOf(options, addresses[0]?.address ?? "");
        if (told.size < toldMax && !told.has(refusal.message)) {
          told.add(refusal.message);
          onTrouble?.(refusal.message);
        }
        callback(refusal, []);
      } else if (all === true) callback(null, [first, ...others]);
      else callback(null, first.address, first.family);
    });
  };
}

function refusalOf({ name, host }: EgressOptions, address: string): Error {
  const what = `provider '${name}': ${host} leads to ${address || "no address"}`;
  const why =
    kindOf(address) === "private"
      ? "a private address: set allowPrivateNetwork for this provider if that is meant"
      : "which no name may lead to: write the address into baseUrl if that is meant";
  return Object.assign(new Error(`${what}, ${why}`), { code: "EGRESS_REFUSED" });
}
