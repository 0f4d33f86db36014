// A quick hash of texts, for spreading them; it keeps nobody from finding texts with the same one.

/** FNV-1a's, 32 bits (draft-eastlake-fnv §6). */
const hashStart = -2128831035;
const hashFactor = 16777619;

/** FNV-1a over a text's UTF-16 units, 32 bits; `start` is the hash of what comes before. Default: nothing does. */
export function hashText(text: string, start = hashStart): number {
  let value = start;
  for (let at = 0; at < text.length; at += 1) {
    value = Math.imul(value ^ text.charCodeAt(at), hashFactor);
  }
  return value;
}

/** Spreads what differs in few bits over all 32; 0 up to 2^32. */
export function mixBits(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
