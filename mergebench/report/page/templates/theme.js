"use strict";
/* Light, dark or as the system has it; remembered where the browser allows it. */
document.documentElement.classList.add("js");
{
  const key = "mergebench-theme";
  const choice = document.querySelector(".theme");
  const apply = (value) => {
    if (value === "light" || value === "dark") document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
  };
  let kept = null;
  try { kept = localStorage.getItem(key); } catch { /* a file without storage of its own */ }
  const found = kept && choice.querySelector(`[value="${CSS.escape(kept)}"]`);
  if (found) { found.checked = true; apply(kept); }
  choice.hidden = false;
  choice.addEventListener("change", (event) => {
    apply(event.target.value);
    try { localStorage.setItem(key, event.target.value); } catch { /* then for this time alone */ }
  });
  const contents = document.querySelector("nav details");
  const room = matchMedia("(min-width: 68rem)");
  if (contents) {
    const fold = () => { contents.open = room.matches; };
    room.addEventListener("change", fold);
    fold();
  }
}
/* Says something to those who hear the page. */
function say(text) { document.getElementById("said").textContent = text; }
