// A campaign under way: the part that moves is fetched anew every few seconds while the page is seen.

const part = document.getElementById("campaign");

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("campaign");
    if (fresh && fresh.innerHTML !== part.innerHTML) part.innerHTML = fresh.innerHTML;
  } catch {
    // The status line tells that the manager is away; the next turn tries again.
  }
}

if (part) setInterval(renew, 1000 * Number(part.dataset.every));
