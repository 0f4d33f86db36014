import { describe, expect, it } from "vitest";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { choose } from "../../src/router/choose.ts";
import { Network, openNetwork } from "../../src/router/network.ts";
import { Shadow, type ShadowParts } from "../../src/router/shadow.ts";
import { prompts } from "./prompts.ts";

const { models } = createCatalogue();
const network = openNetwork();
/** The same network, to which no answer is worth a cost: it picks the cheapest model. */
const thrifty = new Network(
  { ...network.header, lambdas: [1_000, 1_000] },
  new Int8Array(network.header.scales.length << 15),
);

function questionOf(prompt: string) {
  const size = { promptChars: prompt.length, promptTokens: 20, maxOutputTokens: undefined };
  const needs = { tools: false, vision: false, jsonMode: false, jsonSchema: false };
  return { features: { prompt, ...size, ...needs }, models, preferences: { quality: 0.8 } };
}

/** A shadow whose work waits for `turn`. */
function openShadow(parts: Partial<ShadowParts> = {}) {
  const turns: (() => void)[] = [];
  const troubles: string[] = [];
  const shadow = new Shadow({
    network: thrifty,
    share: 1,
    random: () => 0.5,
    defer: (work) => turns.push(work),
    onTrouble: (message) => troubles.push(message),
    ...parts,
  });
  return { shadow, troubles, turns, turn: () => turns.shift()?.() };
}

/** The thrifty weights, and how often they were asked. */
function countingNetwork() {
  const asked = { times: 0 };
  const counting = new Network({ ...thrifty.header }, new Int8Array(16 << 15));
  const read = counting.read.bind(counting);
  counting.read = (text) => {
    asked.times += 1;
    read(text);
  };
  return { network: counting, asked };
}

describe("other weights beside the router's", () => {
  it("are asked after the request has gone on, and say what they would have decided", () => {
    const { network: counting, asked } = countingNetwork();
    const { shadow, turn } = openShadow({ network: counting });
    const question = questionOf(prompts[0] ?? "");
    const view = shadow.consider(question);
    expect(asked.times).toBe(0);
    turn();
    expect(asked.times).toBe(1);
    const { features, preferences } = question;
    expect(view?.decision()).toEqual(choose(features, models, thrifty, preferences));
    expect(view?.decision()?.models[0].name).not.toBe(
      choose(features, models, network, preferences).models[0].name,
    );
    expect(asked.times).toBe(1);
  });

  it("are asked at once, and once, of a request that ends before its turn", () => {
    const { network: counting, asked } = countingNetwork();
    const { shadow, turn } = openShadow({ network: counting });
    const question = questionOf(prompts[0] ?? "");
    const { features, preferences } = question;
    const expected = choose(features, models, thrifty, preferences);
    expect(shadow.consider(question)?.decision()).toEqual(expected);
    turn();
    expect(asked.times).toBe(1);
  });

  it("are asked of their share of the requests alone", () => {
    let draw = 0;
    const { shadow } = openShadow({ share: 0.25, random: () => (draw++ % 100) / 100 });
    const views = Array.from({ length: 100 }, () => shadow.consider(questionOf("Why?")));
    expect(views.filter((view) => view !== undefined)).toHaveLength(25);
  });

  it("are asked once a turn, and not at all of what comes while 64 questions wait", () => {
    const { network: counting, asked } = countingNetwork();
    const { shadow, turns, turn } = openShadow({ network: counting });
    const views = Array.from({ length: 70 }, (_, at) => shadow.consider(questionOf(`${at}`)));
    expect(views.filter((view) => view !== undefined)).toHaveLength(64);
    expect(turns).toHaveLength(1);
    turn();
    expect(asked.times).toBe(1);
    expect(shadow.consider(questionOf("one more"))).toBeDefined();
    while (turns.length > 0) turn();
    expect(asked.times).toBe(65);
  });

  it("may find that nothing is below the caller's bound, and have nothing to say then", () => {
    const { shadow, turn, troubles } = openShadow();
    const question = questionOf("Why?");
    const view = shadow.consider({
      ...question,
      preferences: { quality: 1, tierMin: "ultra", tierMax: "free" },
    });
    turn();
    expect(view?.decision()).toBeUndefined();
    expect(troubles).toEqual([]);
  });

  it("may fail, which is told once and harms nobody", () => {
    const broken = new Network({ ...network.header }, new Int8Array(16 << 15));
    broken.read = () => {
      throw new Error("no weight");
    };
    const { shadow, turns, turn, troubles } = openShadow({ network: broken });
    const views = [shadow.consider(questionOf("Why?")), shadow.consider(questionOf("How?"))];
    while (turns.length > 0) turn();
    expect(views.map((view) => view?.decision())).toEqual([undefined, undefined]);
    expect(troubles).toEqual(["the shadow weights fail: Error: no weight"]);
  });
});
