/**
 * The two plots: throughput and latency over the last ten minutes. Colours come from the legend's
 * keys, which the style sheet paints, so a plot follows the theme. A mouse or the arrow keys move a
 * cursor, and the legend tells the values there.
 */
import type { HistoryColumn } from './differences.ts';
import { byId, setText } from './dom.ts';
import { clock, microseconds, NONE, perSecond, whole } from './format.ts';
import { type Column, type Series, withoutQuiet } from './series.ts';
import uPlot from './uPlot.esm.js';

const HEIGHT_PX = 168;
const AXIS_FONT_PX = 11;
const Y_AXIS_PX = 64;
const X_AXIS_PX = 26;

/** Times are at least as far apart as this, in pixels, on an axis. */
const X_SPACE_PX = 84;

/** The line with a tint below it: the one that the plot is about. */
const FILLED: HistoryColumn = 'requests_per_s';
const FILL_ALPHA = 0.09;

interface Kind {
  readonly id: string;
  readonly columns: readonly HistoryColumn[];
  readonly format: (value: number) => string;
  /** What is drawn of a column's values. */
  readonly prepare: (column: Column, index: number) => Column;
  readonly scale: uPlot.Scale;
  readonly axis: uPlot.Axis;
}

const THROUGHPUT: Kind = {
  id: 'throughput',
  columns: ['requests_per_s', 'calls_per_s', 'replays_per_s', 'errors_per_s'],
  format: perSecond,
  // The first line is the one that matters; the others would only cover the axis.
  prepare: (column, index) => (index === 0 ? column : withoutQuiet(column)),
  scale: { range: (_plot, _low, high) => [0, Math.max(10, (high ?? 0) * 1.08)] },
  axis: { values: (_plot, splits) => splits.map(whole), space: 34 },
};

const LATENCY: Kind = {
  id: 'latency',
  columns: ['p50_us', 'p99_us', 'max_us'],
  format: microseconds,
  // A logarithm has no place for zero.
  prepare: (column) => column.map((value) => (value === null ? null : Math.max(1, value))),
  scale: {
    distr: 3,
    range: (_plot, low, high) => [
      10 ** Math.floor(Math.log10(Math.max(1, low ?? 10))),
      10 ** Math.ceil(Math.log10(Math.max(10, high ?? 1_000))),
    ],
  },
  axis: {
    // Powers of ten only; those between crowd a plot of this height.
    values: (_plot, splits) =>
      powersOfTen(splits).map((each) => (each === null ? null : microseconds(each))),
    filter: (_plot, splits) => powersOfTen(splits),
    grid: { filter: (_plot, splits) => powersOfTen(splits) },
  },
};

function powersOfTen(splits: readonly number[]): (number | null)[] {
  return splits.map((each) => (Number.isInteger(Math.log10(each)) ? each : null));
}

export class Plots {
  readonly #plots: readonly Plot[];

  constructor(series: Series) {
    this.#plots = [new Plot(THROUGHPUT, series), new Plot(LATENCY, series)];
  }

  update(): void {
    for (const plot of this.#plots) plot.update();
  }

  /** The theme is another one. */
  repaint(): void {
    for (const plot of this.#plots) plot.repaint();
  }
}

class Plot {
  readonly #kind: Kind;
  readonly #series: Series;
  readonly #frame: HTMLElement;
  readonly #keys: HTMLElement;
  #plot: uPlot;

  constructor(kind: Kind, series: Series) {
    this.#kind = kind;
    this.#series = series;
    this.#frame = byId(`${kind.id}-plot`);
    this.#keys = byId(`${kind.id}-keys`);
    this.#plot = this.#make();
    new ResizeObserver(() => this.#fit()).observe(this.#frame);
    this.#frame.addEventListener('keydown', (event) => this.#onKey(event));
    this.#frame.addEventListener('blur', () => this.#moveTo(undefined));
  }

  update(): void {
    this.#plot.setData(this.#data());
    this.#tell();
  }

  repaint(): void {
    this.#plot.destroy();
    this.#plot = this.#make();
  }

  #data(): uPlot.AlignedData {
    const { columns, prepare } = this.#kind;
    const lines = columns.map((name, index) => prepare(this.#series.column(name), index));
    return [this.#series.timesS(), ...lines];
  }

  #make(): uPlot {
    const style = getComputedStyle(this.#frame);
    const font = `${AXIS_FONT_PX}px ${style.fontFamily}`;
    const grid = { stroke: style.borderTopColor, width: 1 };
    const axis: uPlot.Axis = { stroke: style.color, font, grid, ticks: { show: false } };
    const options: uPlot.Options = {
      width: this.#frame.clientWidth || 300,
      height: HEIGHT_PX,
      legend: { show: false },
      padding: [8, 6, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: { x: { range: () => this.#series.windowS(Date.now()) }, y: this.#kind.scale },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: X_SPACE_PX,
          size: X_AXIS_PX,
          // Seconds are told where minutes do not tell the marks apart.
          values: (_plot, splits, _axis, _space, increment) =>
            splits.map((each) => clock(each * 1e3).slice(0, increment < 60 ? 8 : 5)),
          incrs: [10, 20, 30, 60, 120, 300],
        },
        {
          ...axis,
          size: Y_AXIS_PX,
          gap: 6,
          ...this.#kind.axis,
          grid: { ...grid, ...this.#kind.axis.grid },
        },
      ],
      series: [{}, ...this.#kind.columns.map((name) => this.#line(name))],
      hooks: { setCursor: [() => this.#tell()] },
    };
    return new uPlot(options, this.#data(), this.#frame);
  }

  #line(name: HistoryColumn): uPlot.Series {
    const key = this.#keys.querySelector(`[data-column="${name}"] .key`);
    const stroke = key === null ? 'gray' : getComputedStyle(key).color;
    const line = { stroke, width: 1.5, points: { show: false }, spanGaps: false };
    if (name !== FILLED) return line;
    return { ...line, fill: stroke.replace(/^rgb\((.*)\)$/, `rgba($1, ${FILL_ALPHA})`) };
  }

  #fit(): void {
    const width = this.#frame.clientWidth;
    if (width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT_PX });
  }

  /** Writes the values at the cursor, or the newest, beside their names. */
  #tell(): void {
    const times = this.#plot.data[0];
    const at = this.#plot.cursor.idx ?? times.length - 1;
    const isNow = at === times.length - 1;
    const time = this.#keys.querySelector('[data-time]');
    if (time !== null)
      setText(time, isNow || times[at] === undefined ? 'now' : clock(times[at] * 1e3));
    for (const name of this.#kind.columns) {
      const place = this.#keys.querySelector(`[data-column="${name}"] .value`);
      const value = this.#series.column(name)[at] ?? null;
      if (place !== null) setText(place, value === null ? NONE : this.#kind.format(value));
    }
  }

  #onKey(event: KeyboardEvent): void {
    const last = this.#plot.data[0].length - 1;
    const at = this.#plot.cursor.idx ?? last;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#moveTo(Math.min(last, Math.max(0, to)));
  }

  /** @param at undefined takes the cursor away */
  #moveTo(at: number | undefined): void {
    const time = at === undefined ? undefined : this.#plot.data[0][at];
    const left = time === undefined ? -10 : this.#plot.valToPos(time, 'x');
    this.#plot.setCursor({ left, top: time === undefined ? -10 : 10 });
  }
}
