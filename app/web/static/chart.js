// What the charts of currents share: the page's own colours, axes and the look of the lines.

const HEIGHT = 220;

// Canvas needs plain colours: an element resolves the page's own (light or dark) to one.
export function colours(names) {
  const probe = document.createElement("i");
  document.body.append(probe);
  const found = names.map((name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return found;
}

// A chart of L1, L2, L3 and the limit (columns in amperes) in `holder`, worded by `figure`'s data.
export function draw(figure, holder, data, { range, hooks, clock = "{HH}:{mm}" }) {
  const { limit, time, max, language, zone } = figure.dataset;
  const [l1, l2, l3, limitColour, text, line] = colours(["l1", "l2", "l3", "limit", "muted", "line"]);
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
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  holder.replaceChildren();
  return new window.uPlot(
    {
      width: holder.clientWidth,
      height: HEIGHT,
      tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), zone),
      cursor: { drag: { x: false, y: false } },
      hooks,
      scales: {
        x: { range },
        y: { range: (_, low, high) => [0, Math.max(Number(max), high ?? 0) * 1.05] },
      },
      axes: [
        { ...axis, values: clock, space: 12 * clock.length },
        { ...axis, size: 46, values: (_, values) => values.map((value) => `${amps.format(value)} A`) },
      ],
      series: [
        { label: time, value: "{HH}:{mm}:{ss}" },
        series("L1", l1),
        series("L2", l2, { dash: [8, 3] }),
        series("L3", l3, { dash: [2, 3] }),
        series(limit, limitColour, { width: 2, paths: window.uPlot.paths.stepped({ align: 1 }) }),
      ],
    },
    data,
    holder,
  );
}

export function say(holder, text) {
  const note = document.createElement("p");
  note.className = "empty";
  note.textContent = text;
  holder.replaceChildren(note);
}

// Redraws when the window or its colours change.
export function follow(resize, redraw) {
  window.addEventListener("resize", resize);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

export const sized = (holder) => ({ width: holder.clientWidth, height: HEIGHT });
