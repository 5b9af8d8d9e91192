// The list of stations: one box ticks all that are shown, and the number of ticked ones is told.

const form = document.getElementById("many");
const all = document.getElementById("tick-all");
const told = document.getElementById("ticked");

if (form && all && told) {
  const boxes = [...form.querySelectorAll('input[name="s"]')];
  all.closest("[data-tick-all]").hidden = false;
  const count = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
    told.textContent = !ticked ? "" : ticked === 1 ? told.dataset.one : told.dataset.many.replace("{n}", ticked);
  };
  const aim = () => {
    document.getElementById("f-scope").value = "ticked";
    document.getElementById("bulk-bar").open = boxes.some((box) => box.checked);
    count();
  };
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    aim();
  });
  form.addEventListener("change", (event) => {
    if (event.target.name === "s") {
      aim();
    }
  });
  count();
}
