// The chart of a session: currents and limit over its whole time, on bands coloured by reason.
// While the session runs, the page's facts and the chart are asked for anew every ten seconds.

import { colours, draw, follow, say, sized } from "./chart.js";

const PERIOD_MS = 10000;
const DAY_S = 86400;
const TONES = ["share", "car", "pause", "most", "settle", "trouble"];

const live = document.getElementById("session-live");
let plot = null;
let found = null;

const figure = () => live.querySelector(".trace");
const holder = () => live.querySelector("[data-plot]");

function paint(chart) {
  const tints = Object.fromEntries(TONES.map((tone, index) => [tone, chart.tints[index]]));
  const { ctx, bbox } = chart;
  ctx.save();
  for (const [from, to, tone] of found.bands) {
    const left = Math.max(bbox.left, chart.valToPos(from, "x", true));
    const right = Math.min(bbox.left + bbox.width, chart.valToPos(to, "x", true));
    if (right <= left) continue;
    ctx.fillStyle = tints[tone];
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

function clockOf(seconds) {
  if (seconds < 600) return "{HH}:{mm}:{ss}";
  return seconds < DAY_S ? "{HH}:{mm}" : "{DD}/{MM} {HH}:{mm}";
}

function show() {
  plot?.destroy();
  plot = null;
  if (!found.samples[0].length && !found.limits[0].length) {
    say(holder(), figure().dataset.empty);
    return;
  }
  const data = window.uPlot.join([found.samples, found.limits]);
  const tints = colours(TONES.map((tone) => `r-${tone}-soft`));
  const whole = [data[0][0], Math.max(data[0].at(-1), data[0][0] + 60)];
  plot = draw(figure(), holder(), data, {
    range: () => whole,
    clock: clockOf(whole[1] - whole[0]),
    hooks: {
      init: [(chart) => { chart.tints = tints; }],
      drawClear: [paint],
    },
  });
}

async function load() {
  const answer = await fetch(figure().dataset.url);
  if (!answer.ok) return;
  found = await answer.json();
  show();
}

// The words come from the same page; what somebody is reading through is left alone.
async function renew() {
  const answer = await fetch(window.location.href);
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("session-live");
  if (!fresh) return;
  const parts = [...live.children];
  [...fresh.children].forEach((part, index) => {
    const old = parts[index];
    if (old && !old.matches(".trace") && !old.contains(document.activeElement)) old.replaceWith(part);
  });
  await load();
  if (!("running" in fresh.dataset)) clearInterval(timer);
}

function tick() {
  if (!document.hidden) renew().catch(() => {}); // a manager that is away is told by the header
}

const timer = "running" in live.dataset ? setInterval(tick, PERIOD_MS) : null;
load();
follow(() => plot?.setSize(sized(holder())), () => found && show());
