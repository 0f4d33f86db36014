// Stacked bars over time, drawn by uPlot on a canvas; beside them the same as a table.
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import { toAxis } from "../format/figures.ts";

/** One colour of the bars. */
export type BarSeries = {
  readonly label: string;
  /** Name of a custom property of the style sheet. */
  readonly color: string;
  /** One for each time. */
  readonly values: readonly number[];
};

type BarChartProps = {
  /** What the chart shows. */
  readonly label: string;
  /** Starts of the buckets, Unix seconds. */
  readonly times: readonly number[];
  readonly series: readonly BarSeries[];
  /** How a bucket is called. */
  readonly nameOf: (seconds: number) => string;
};

const heightPixels = 260;

/** The bars, with the bucket under the pointer in words. */
export function BarChart({ label, times, series, nameOf }: BarChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | undefined>(undefined);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const repaint = () => setTurn((count) => count + 1);
    const system = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("themechange", repaint);
    system.addEventListener("change", repaint);
    return () => {
      removeEventListener("themechange", repaint);
      system.removeEventListener("change", repaint);
    };
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `turn` says that the colours are other ones
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const plot = draw(element, times, series, setAt);
    const sizes = new ResizeObserver(() =>
      plot.setSize({ width: element.clientWidth, height: heightPixels }),
    );
    sizes.observe(element);
    return () => {
      sizes.disconnect();
      plot.destroy();
    };
  }, [times, series, turn]);
  return (
    <figure className="chart" aria-label={label}>
      <div ref={place} aria-hidden />
      <figcaption className="legend-row">
        <span className="muted chart-time">
          {at === undefined ? "All" : nameOf(times[at] ?? 0)}
        </span>
        {series.map(({ label: name, color, values }) => (
          <span key={name}>
            <span className="dot" style={{ background: `var(${color})` }} aria-hidden />
            <span className="wrap">{name}</span>
            <span className="muted number">
              {toAxis(at === undefined ? sum(values) : (values[at] ?? 0))}
            </span>
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** A custom property as a colour that a canvas knows. */
function colorOf(element: HTMLElement, property: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${property})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const dayMs = 86_400_000;

/** Times of an axis, Unix seconds, as short as their distance allows. */
function toTicks(times: readonly number[]): string[] {
  const stepMs = ((times[1] ?? 0) - (times[0] ?? 0)) * 1_000;
  const format: Intl.DateTimeFormatOptions =
    stepMs < dayMs
      ? { hour: "2-digit", minute: "2-digit" }
      : stepMs < 28 * dayMs
        ? { day: "numeric", month: "short" }
        : { month: "short", year: "2-digit" };
  return times.map((time) => new Date(time * 1_000).toLocaleString("en-GB", format));
}

function draw(
  element: HTMLElement,
  times: readonly number[],
  series: readonly BarSeries[],
  onPoint: (index: number | undefined) => void,
): uPlot {
  const axis = {
    stroke: colorOf(element, "--muted"),
    font: "12px system-ui, sans-serif",
    ticks: { show: false },
    grid: { stroke: colorOf(element, "--border"), width: 1 },
  };
  const bars = uPlot.paths.bars?.({ size: [0.7, 42], radius: 0.12 });
  // The highest stack is drawn first, the lower ones over it.
  const stacks = series.map((_one, index) =>
    times.map((_time, at) => sum(series.slice(0, index + 1).map(({ values }) => values[at] ?? 0))),
  );
  const options: uPlot.Options = {
    width: element.clientWidth,
    height: heightPixels,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, grid: { show: false }, space: 64, values: (_plot, at) => toTicks(at) },
      { ...axis, size: 56, values: (_plot, values) => values.map(toAxis) },
    ],
    series: [
      {},
      ...series.toReversed().map(({ label, color }) => {
        const fill = colorOf(element, color);
        return {
          label,
          fill,
          stroke: fill,
          width: 0,
          ...(bars && { paths: bars }),
          points: { show: false },
        };
      }),
    ],
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? undefined)] },
  };
  return new uPlot(options, [[...times], ...stacks.toReversed()], element);
}
