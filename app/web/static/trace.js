// The chart of a connector: currents per phase and the limit, from /api/trace, then live.

import { draw, follow, say, sized } from "./chart.js";

const POINTS_MOST = 4000;

class Trace {
  constructor(figure) {
    this.figure = figure;
    this.holder = figure.querySelector(".plot");
    this.hours = 1;
    this.data = [[], [], [], [], []];
    this.plot = null;
    for (const button of figure.querySelectorAll("[data-hours]")) {
      button.addEventListener("click", () => this.choose(Number(button.dataset.hours)));
    }
    this.load();
  }

  choose(hours) {
    this.hours = hours;
    for (const button of this.figure.querySelectorAll("[data-hours]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.hours) === hours));
    }
    this.load();
  }

  async load() {
    const { station, connector } = this.figure.dataset;
    const query = new URLSearchParams({ station, connector, hours: this.hours });
    const answer = await fetch(`/api/trace?${query}`);
    if (!answer.ok) return;
    this.data = await answer.json();
    this.draw();
  }

  draw() {
    this.plot?.destroy();
    this.plot = null;
    if (this.data[0].length) {
      this.plot = draw(this.figure, this.holder, this.data, { range: () => this.range() });
    } else {
      say(this.holder, this.figure.dataset.empty);
    }
  }

  range() {
    const end = Math.max(Date.now() / 1000, this.data[0].at(-1) ?? 0);
    return [end - this.hours * 3600, end];
  }

  add(point) {
    const first = this.data[0].length === 0;
    if (!first && point[0] <= this.data[0].at(-1)) return;
    this.data.forEach((column, index) => column.push(point[index]));
    if (this.data[0].length > POINTS_MOST) this.data.forEach((column) => column.shift());
    if (first || !this.plot) this.draw();
    else this.plot.setData(this.data);
  }
}

const traces = new Map();
for (const figure of document.querySelectorAll(".trace")) {
  traces.set(figure.dataset.connector, new Trace(figure));
}

document.getElementById("live-source")?.addEventListener("sample", (event) => {
  const points = JSON.parse(event.detail.data);
  for (const [connector, trace] of traces) {
    if (points[connector]) trace.add(points[connector]);
  }
});

follow(
  () => traces.forEach((trace) => trace.plot?.setSize(sized(trace.holder))),
  () => traces.forEach((trace) => trace.draw()),
);
