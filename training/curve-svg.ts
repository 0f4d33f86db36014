// Draws a mix's cost and quality as a small SVG.
import { tierNames } from "../src/catalogue/tiers.ts";
import type { Mix, Point } from "./tier-measure.ts";

const width = 480;
const height = 300;
const edge = 44;

/** The curve of the router and of the oracle, and the constant tiers as dots. */
export function toCurveSvg(mix: Mix): string {
  const all = [...mix.tiers, ...mix.router, ...mix.oracle];
  const costMax = Math.max(...all.map(({ cost }) => cost));
  const scores = all.map(({ score }) => score);
  const low = Math.min(...scores);
  const high = Math.max(...scores);
  const x = ({ cost }: Point): string => (edge + ((width - 2 * edge) * cost) / costMax).toFixed(1);
  const y = ({ score }: Point): string =>
    (height - edge - ((height - 2 * edge) * (score - low)) / (high - low)).toFixed(1);
  const line = (points: readonly Point[], colour: string): string =>
    `<polyline fill="none" stroke="${colour}" points="${points.map((p) => `${x(p)},${y(p)}`).join(" ")}"/>`;
  const dots = mix.tiers.map(
    (point, tier) =>
      `<circle cx="${x(point)}" cy="${y(point)}" r="3"/><text x="${x(point)}" y="${y(point)}" dx="5" dy="12">${tierNames[tier]}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<title>Cost and quality on ${mix.name}</title>
<rect width="${width}" height="${height}" fill="white"/>
<text x="${edge}" y="20">${mix.name}: mean score (${low.toFixed(2)} to ${high.toFixed(2)}) by mean cost (0 to ${costMax.toFixed(4)} US$)</text>
${line(mix.oracle, "#999")}
${line(mix.tiers, "#d80")}
${line(mix.router, "#06c")}
${dots.join("\n")}
<text x="${width - 150}" y="${height - 10}">blue router, grey oracle</text>
</svg>
`;
}
