/** Server-sent events as a strict reader takes them: chat streams use one form of the many. */
import { expect } from "vitest";

/** The data of each event. Fails on anything but `data: …` lines with a blank line after each. */
export function readEvents(text: string): string[] {
  expect(text.endsWith("\n\n")).toBe(true);
  const frames = text.slice(0, -2).split("\n\n");
  return frames.map((frame) => {
    expect(frame).toMatch(/^data: [^\r\n]+$/);
    return frame.slice("data: ".length);
  });
}
