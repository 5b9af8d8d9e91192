// The chart of a connector: currents per phase and the limit, from /api/trace, then live.

const POINTS_MOST = 4000;

// Canvas needs plain colours: an element resolves the page's own (light or dark) to one.
function colours() {
  const probe = document.createElement("i");
  document.body.append(probe);
  const read = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const found = {
    phases: [read("--l1"), read("--l2"), read("--l3")],
    limit: read("--limit"),
    text: read("--muted"),
    line: read("--line"),
  };
  probe.remove();
  return found;
}

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
    const { limit, time, empty, max, language, zone } = this.figure.dataset;
    this.plot?.destroy();
    this.plot = null;
    this.holder.replaceChildren();
    if (!this.data[0].length) {
      const note = document.createElement("p");
      note.className = "empty";
      note.textContent = empty;
      this.holder.append(note);
      return;
    }
    const colour = colours();
    const amps = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
    const write = (value) => (value == null ? "–" : `${amps.format(value)} A`);
    const series = (label, stroke, extra) => ({
      label,
      stroke,
      width: 1.5,
      points: { show: false },
      value: (_, value) => write(value),
      ...extra,
    });
    this.plot = new window.uPlot(
      {
        width: this.holder.clientWidth,
        height: 220,
        tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), zone),
        cursor: { drag: { x: false, y: false } },
        scales: {
          x: { range: () => this.range() },
          y: { range: (_, low, high) => [0, Math.max(Number(max), high ?? 0) * 1.05] },
        },
        axes: [
          { stroke: colour.text, grid: { stroke: colour.line, width: 1 }, ticks: { show: false }, values: "{HH}:{mm}", space: 60 },
          { stroke: colour.text, grid: { stroke: colour.line, width: 1 }, ticks: { show: false }, size: 46, values: (_, values) => values.map((value) => `${amps.format(value)} A`) },
        ],
        series: [
          { label: time, value: "{HH}:{mm}:{ss}" },
          series("L1", colour.phases[0]),
          series("L2", colour.phases[1], { dash: [8, 3] }),
          series("L3", colour.phases[2], { dash: [2, 3] }),
          series(limit, colour.limit, { width: 2, paths: window.uPlot.paths.stepped({ align: 1 }) }),
        ],
      },
      this.data,
      this.holder,
    );
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

  resize() {
    this.plot?.setSize({ width: this.holder.clientWidth, height: 220 });
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

window.addEventListener("resize", () => traces.forEach((trace) => trace.resize()));
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => traces.forEach((trace) => trace.draw()));
