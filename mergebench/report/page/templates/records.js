/* A click on a number shows where it comes from; without this script the link leads there. */
{
  const dialog = document.querySelector("dialog.record");
  const title = dialog.querySelector("h2"), content = dialog.querySelector(".content");
  const back = dialog.querySelector(".back");
  const trail = [];
  const open = (origin) => {
    const shown = origin.cloneNode(true);
    shown.removeAttribute("id");
    title.textContent = origin.querySelector("h3").textContent;
    content.replaceChildren(shown);
    back.hidden = trail.length < 2;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    title.focus();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#origin-']");
    const origin = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!origin || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    trail.push(origin);
    open(origin);
  });
  back.addEventListener("click", () => { trail.pop(); open(trail.at(-1)); });
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { trail.length = 0; content.replaceChildren(); });

  for (const button of document.querySelectorAll(".copy")) button.hidden = false;
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
      say("Copied.");
    } catch {
      getSelection().selectAllChildren(code);
      say("Selected.");
    }
  });
}
