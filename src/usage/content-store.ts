// The port of kept content: what was asked and answered in single requests of accounts that switched that on.

/** What was asked and answered in one request. */
export type RequestContent = {
  readonly requestId: string;
  readonly prompt: string;
  readonly answer: string;
  /** Whether there was more of it than is kept. */
  readonly promptCut: boolean;
  readonly answerCut: boolean;
  /** When it is to be deleted, Unix milliseconds. */
  readonly expiresAtMs: number;
};

/** Apart from usage events: nothing here is counted, forwarded, exported or seen by analysts. */
export interface ContentStore {
  /** Keeps one; resolves when it is on disk. Over the store's size the ones that expire first go. */
  put(accountId: string, content: RequestContent): Promise<void>;
  /** Undefined: nothing is kept of that request, or not any more. */
  get(
    accountId: string,
    requestId: string,
  ): RequestContent | undefined | Promise<RequestContent | undefined>;
  /** Deletes what is kept of a request. */
  remove(accountId: string, requestId: string): Promise<void>;
  /** The accounts of which something is kept. */
  accountIds(): readonly string[] | Promise<readonly string[]>;
  /** Deletes all of an account. */
  removeAll(accountId: string): Promise<void>;
  /** Deletes some of what has expired; whether there may be more. */
  sweep(): Promise<boolean>;
  close(): Promise<void>;
}

/** Bytes of a prompt, and of an answer, that are kept. */
export const contentBytesMax = 65_536;

/** The beginning of a text, in whole characters, and whether there was more. */
export function cutContent(text: string): CutText {
  return cutTo(text, contentBytesMax);
}

/** A text, and whether there was more of it. */
export type CutText = { readonly text: string; readonly cut: boolean };

/** The same for so many bytes. */
export function cutTo(text: string, bytesMax: number): CutText {
  // A character takes a byte at least.
  const bytes = Buffer.from(text.slice(0, bytesMax + 1));
  if (bytes.length <= bytesMax) return { text, cut: false };
  let end = bytesMax;
  // Not within a character (RFC 3629 §3: what follows its first byte is 10xxxxxx).
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return { text: bytes.toString("utf8", 0, end), cut: true };
}
