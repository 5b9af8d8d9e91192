// Before and after, while the form is filled in: the same preview that its button shows.

const WAIT_MS = 300;

const form = document.querySelector("form[data-preview]");
const panel = document.querySelector("[data-preview-panel]");
let timer = null;
let asked = null;

function put(target, source) {
  if (target.innerHTML !== source.innerHTML) target.replaceChildren(...source.childNodes);
}

async function ask() {
  asked?.abort();
  asked = new AbortController();
  const fields = new URLSearchParams(new FormData(form));
  fields.set("action", "preview");
  fields.set("part", "preview");
  const body = panel.querySelector("#pv-body");
  body.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(window.location.pathname, {
      method: "POST",
      body: fields,
      signal: asked.signal,
    });
    if (!answer.ok) throw new Error(answer.status);
    const parts = new DOMParser().parseFromString(await answer.text(), "text/html");
    put(panel.querySelector("#pv-verdict"), parts.querySelector("[data-verdict]"));
    put(body, parts.querySelector("[data-body]"));
  } catch (error) {
    // A newer question is under way, or the manager is away, which the page's header tells.
    if (error.name === "AbortError") return;
  }
  body.removeAttribute("aria-busy");
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT_MS);
}

form?.addEventListener("input", soon);
