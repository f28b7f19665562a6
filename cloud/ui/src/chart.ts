// The line chart of uses and value: zero-based, 24-hour clock in the city's zone, gaps shown as gaps.
import uPlot from "uplot";
import { colour } from "./dom";

export type Point = [startMs: number, uses: number | null, hundredths: number | null];

const BUCKET_MS = 300_000;

export class Chart {
  private plot: uPlot | undefined;
  private points: Map<number, Point>;

  constructor(
    private readonly place: HTMLElement,
    points: Point[],
    private readonly length: number,
    private readonly zone: string,
    private readonly locale: string,
  ) {
    this.points = new Map(points.map((point) => [point[0], point]));
    this.draw();
    this.tell();
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(place);
    addEventListener("theme", () => this.draw());
  }

  /** Takes new or changed points and lets the oldest go. */
  update(changed: Record<string, [number, number] | null>): void {
    for (const [key, value] of Object.entries(changed)) {
      const start = Number(key);
      this.points.set(start, value ? [start, value[0], value[1]] : [start, null, null]);
    }
    const newest = Math.max(...this.points.keys());
    for (const start of this.points.keys()) {
      if (start <= newest - this.length * BUCKET_MS) this.points.delete(start);
    }
    this.plot?.setData(this.data());
    this.tell();
  }

  /** Whether there is a line to see; a word stands in the empty plot. */
  private tell(): void {
    this.place.classList.toggle("still", [...this.points.values()].every((point) => !point[1]));
  }

  private size(): { width: number; height: number } {
    return { width: this.place.clientWidth, height: this.place.clientHeight || 180 };
  }

  private data(): uPlot.AlignedData {
    const rows = [...this.points.values()].sort((a, b) => a[0] - b[0]);
    return [
      rows.map((row) => row[0] / 1000),
      rows.map((row) => row[1]),
      rows.map((row) => (row[2] === null ? null : row[2] / 100)),
    ];
  }

  private draw(): void {
    this.plot?.destroy();
    this.place.replaceChildren();
    const time = new Intl.DateTimeFormat("en-GB", { timeZone: this.zone, hour: "2-digit", minute: "2-digit" });
    const number = new Intl.NumberFormat(this.locale, { maximumFractionDigits: 2 });
    const axis = { stroke: colour("--text-3"), font: '12px "Inter Variable"', ticks: { show: false } };
    const grid = { stroke: colour("--line"), width: 1 };
    const numbers = (_: uPlot, values: number[]): string[] => values.map((value) => number.format(value));
    const range: uPlot.Range.Function = (_, __, top) => [0, Math.max(1, top) * 1.12];
    this.plot = new uPlot(
      {
        ...this.size(),
        padding: [12, 4, 0, 4],
        legend: { show: false },
        cursor: { y: false, points: { size: 7 } },
        scales: { x: { time: true }, uses: { range }, value: { range } },
        series: [
          {},
          { scale: "uses", stroke: colour("--c1"), width: 2, fill: under(colour("--c1")), spanGaps: false, points: lone() },
          { scale: "value", stroke: colour("--c3"), width: 1.5, dash: [5, 4], spanGaps: false, points: lone() },
        ],
        axes: [
          { ...axis, grid: { show: false }, size: 28, space: 80, values: (_, v) => v.map((s) => time.format(s * 1000)) },
          { ...axis, grid, scale: "uses", size: 44, space: 36, values: numbers, incrs: [1, 2, 5, 10, 20, 50, 100, 500, 1000] },
          { ...axis, grid: { show: false }, scale: "value", side: 1, size: 52, space: 36, values: numbers },
        ],
      },
      this.data(),
      this.place,
    );
  }
}

/** The one gradient there is: under a live line. */
function under(line: string): uPlot.Series.Fill {
  return (u) => {
    const { top, height } = u.bbox;
    if (!Number.isFinite(top + height)) return "transparent";
    const fill = u.ctx.createLinearGradient(0, top, 0, top + height);
    fill.addColorStop(0, `${line}40`);
    fill.addColorStop(1, `${line}00`);
    return fill;
  };
}

/** A known point between two gaps has no line; it gets a dot. */
function lone(): uPlot.Series.Points {
  return {
    size: 5,
    show: false,
    filter: (u, series) => {
      const values = u.data[series] ?? [];
      const alone: number[] = [];
      values.forEach((value, i) => {
        if (value != null && values[i - 1] == null && values[i + 1] == null) alone.push(i);
      });
      return alone;
    },
  };
}
