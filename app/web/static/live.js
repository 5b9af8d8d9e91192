// The live stream of a page: starts it, watches over it, and says when its values are old.
//
// htmx's SSE extension reads the stream and swaps what it brings. This module decides when a stream
// is wanted: only in visible pages, and at most SLOTS of them in one browser, because HTTP/1.1
// allows six connections to a server and a page must always find a free one. A page beyond that
// asks for its blocks every three seconds instead.

const SLOTS = 4;
const SILENT_MS = 5000; // no event for so long: the link is taken as lost
const POLL_MS = 3000;

const source = document.getElementById("live-source");
const status = document.getElementById("live");
const word = document.getElementById("live-word");
const banner = document.getElementById("lost");
const bannerText = banner?.querySelector("b");
const bannerAge = document.getElementById("lost-age");

let connection = null; // of the extension, while it lives
let wanted = false; // whether a stream should be open
let release = null; // gives the slot back
let asking = false; // a slot is being asked for
let heard = performance.now();
let tried = performance.now();
let dataAge = 0; // seconds, as told by the server's heartbeat
let polling = false;

function show(state) {
  if (status.dataset.state === state) return;
  status.dataset.state = state;
  word.textContent = status.dataset[state];
  document.body.dataset.live = state;
  const trouble = state === "lost" || state === "stale";
  if (trouble) bannerText.textContent = banner.dataset[state];
  banner.hidden = !trouble;
}

function age(seconds) {
  return seconds < 120 ? `${Math.floor(seconds)} s` : `${Math.floor(seconds / 60)} min`;
}

function judge() {
  const silent = performance.now() - heard;
  if (silent > SILENT_MS) {
    show("lost");
    bannerAge.textContent = age(silent / 1000);
  } else if (dataAge * 1000 > SILENT_MS) {
    show("stale");
    bannerAge.textContent = age(dataAge);
  } else if (status.dataset.state !== "static" || connection || polling) {
    show(polling ? "slow" : "live");
  }
}

function hear(event) {
  heard = performance.now();
  const message = event.detail.message;
  dataAge = message.event === "beat" ? Number(message.data) : 0;
  judge();
}

async function takeSlot() {
  if (release || asking) return;
  if (!navigator.locks) {
    release = () => {};
    return;
  }
  asking = true;
  for (let number = 0; number < SLOTS && !release; number += 1) {
    await new Promise((decided) => {
      navigator.locks.request(`bornier-live-${number}`, { ifAvailable: true }, (lock) => {
        if (!lock) {
          decided();
          return undefined;
        }
        return new Promise((free) => {
          release = free;
          decided();
        });
      });
    });
  }
  asking = false;
  if (document.hidden) leaveSlot();
}

function leaveSlot() {
  release?.();
  release = null;
}

function open() {
  wanted = true;
  tried = performance.now();
  // The extension ignores this while it already holds a stream.
  source.dispatchEvent(new CustomEvent("live:go"));
}

function close() {
  wanted = false;
  connection?.reader?.cancel();
  connection?.delayCanceller?.();
}

function restart() {
  tried = performance.now();
  if (connection?.reader) connection.reader.cancel();
  else if (connection) connection.abortController?.abort();
  open();
}

async function poll() {
  try {
    await window.htmx.ajax("GET", `${source.dataset.stream}?once`, {
      source,
      swap: "none",
    });
  } catch {
    // judged by the silence it leaves
  }
}

let polled = 0;

async function tick() {
  if (document.hidden) return;
  await takeSlot();
  polling = !release;
  if (polling) {
    if (performance.now() - polled >= POLL_MS) {
      polled = performance.now();
      poll();
    }
  } else if (!wanted || (performance.now() - heard > SILENT_MS && performance.now() - tried > SILENT_MS)) {
    if (wanted) restart();
    else open();
  }
  judge();
}

function visible() {
  if (document.hidden) {
    close();
    leaveSlot();
  } else {
    heard = performance.now();
    tick();
  }
}

// ---------------------------------------------------------------- filter chips of the Site page

const points = document.getElementById("points");

function filter(state) {
  points.dataset.f = state;
  const address = new URL(window.location.href);
  if (state) address.searchParams.set("state", state);
  else address.searchParams.delete("state");
  window.history.replaceState(null, "", address);
  mark();
}

function mark() {
  for (const chip of points.querySelectorAll(".chip")) {
    if (chip.dataset.f === points.dataset.f) chip.setAttribute("aria-current", "true");
    else chip.removeAttribute("aria-current");
  }
}

if (points) {
  points.addEventListener("click", (event) => {
    const chip = event.target.closest(".chip, .chip-clear");
    if (!chip) return;
    event.preventDefault();
    filter(chip.dataset.f);
  });
  mark();
}

// ---------------------------------------------------------------- start

if (source) {
  source.addEventListener("htmx:sse:before:connection", (event) => {
    connection = event.detail.connection;
    if (!wanted || document.hidden) connection.cancelled = true;
  });
  source.addEventListener("htmx:sse:before:message", hear);
  source.addEventListener("htmx:sse:close", () => {
    connection = null;
  });
  source.addEventListener("htmx:sse:error", (event) => {
    if (event.detail.status === 401) window.location.reload();
  });
  source.addEventListener("htmx:response:error", (event) => {
    if (event.detail.ctx.response.status === 401) window.location.reload();
  });
  source.addEventListener("htmx:after:swap", () => {
    if (polling) heard = performance.now();
    if (points) mark();
  });
  document.addEventListener("visibilitychange", visible);
  // htmx looks through the page in a timer of its own, which may fire before its SSE extension has
  // arrived; the element then stays dead for ever. So it is made a stream here, when both are here
  // and that timer, set before this one, has passed.
  setTimeout(() => {
    source.setAttribute("hx-sse:connect", source.dataset.stream);
    window.htmx.process(source);
    setInterval(tick, 1000);
    tick();
  });
}

document.getElementById("summary")?.focus();
