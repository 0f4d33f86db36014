import { describe, expect, it } from "vitest";
import type { DeadLetterRow, Move } from "../../src/cli/command.ts";
import { runWith } from "./fake-context.ts";

const letter: DeadLetterRow = {
  id: 7,
  partition: 3,
  offset: 41,
  bytes: new Uint8Array(40).fill(0xab),
  reason: "undecodable",
  atMs: Date.UTC(2026, 3, 15),
};

describe("optamil dlq", () => {
  it("lists letters as a table, after an id and up to a number", async () => {
    const asked: number[][] = [];
    const list = async (fromId: number, limit: number) => {
      asked.push([fromId, limit]);
      return [letter];
    };
    const words = ["dlq", "list", "--after", "6", "--limit", "5"];
    const { code, printed } = await runWith({ deadLetters: { list } }, ...words);
    expect(code).toBe(0);
    expect(asked).toEqual([[7, 5]]);
    expect(printed[0]).toMatch(/^ID +AT +PARTITION +OFFSET +BYTES +REASON/);
    expect(printed[1]).toMatch(/^7 +2026-04-15T00:00:00.000Z +3 +41 +40 +undecodable/);
  });

  it("lists them as an object a line", async () => {
    const { printed } = await runWith(
      { deadLetters: { list: async () => [letter] } },
      ...["dlq", "list", "--json"],
    );
    expect(printed.map((line) => JSON.parse(line))).toEqual([
      {
        ...{ id: 7, at: "2026-04-15T00:00:00.000Z", partition: 3, offset: 41 },
        ...{ size_bytes: 40, reason: "undecodable" },
      },
    ]);
  });

  it("shows a letter with its bytes in hexadecimal", async () => {
    const { printed } = await runWith(
      { deadLetters: { show: async () => letter } },
      ...["dlq", "show", "7"],
    );
    expect(printed.slice(2).join("")).toBe("ab".repeat(40));
    expect(printed[1]).toBe("reason: undecodable");
  });

  it("replays the letters that are named", async () => {
    const replayed: (readonly number[])[] = [];
    const replay = async (ids: readonly number[]) => void replayed.push(ids);
    const { printed } = await runWith({ deadLetters: { replay } }, "dlq", "replay", "7", "9");
    expect(replayed).toEqual([[7, 9]]);
    expect(printed).toEqual(["2 sent again"]);
  });

  it.each([[["dlq"]], [["dlq", "show", "x"]], [["dlq", "replay"]], [["dlq", "burn"]]])(
    "%j is called wrongly",
    async (words) => {
      expect((await runWith({}, ...words)).code).toBe(2);
    },
  );
});

describe("optamil migrate", () => {
  it("prints what it did, and ends with 1 if something differs", async () => {
    const done = ["topic a: made"];
    expect(await runWith({ migration: { done, differences: [] } }, "migrate")).toMatchObject({
      ...{ code: 0, printed: done, warned: [] },
    });
    const differences = ["topic a: has 3 partitions"];
    expect(await runWith({ migration: { done, differences } }, "migrate")).toMatchObject({
      ...{ code: 1, printed: done, warned: differences },
    });
  });
});

describe("optamil move", () => {
  const moved = async ({ tell }: Move) => {
    tell("rows", "2026-04: 3 copied");
    return [];
  };

  it("prints its steps, and as an object a line for programs", async () => {
    const { code, printed } = await runWith({ move: moved }, "move");
    expect({ code, printed }).toEqual({ code: 0, printed: ["rows: 2026-04: 3 copied"] });
    const json = await runWith({ move: moved }, "move", "--json");
    expect(json.printed).toEqual(['{"step":"rows","message":"2026-04: 3 copied"}']);
  });

  it("ends with 1 and a line for each difference", async () => {
    const differences = ["account acme 2026-04: 1 rows here, 2 in the fleet"];
    const result = await runWith({ move: async () => differences }, "move");
    expect(result).toMatchObject({ code: 1, warned: differences });
  });
});

describe("optamil gateway and consumer", () => {
  it("without a fleet in the configuration say what is missing", async () => {
    const { code, warned } = await runWith({}, "gateway");
    expect(code).toBe(1);
    expect(warned.join()).toMatch(/^kafka, clickhouse, redis: missing in the configuration/);
  });

  it("consume until told to stop", async () => {
    const consume = async (tell: (line: string) => void) => tell("running");
    expect(await runWith({ consume }, "consumer")).toMatchObject({ code: 0, printed: ["running"] });
  });
});
