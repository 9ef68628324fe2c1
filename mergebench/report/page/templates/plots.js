/* Plots: the number under the pointer, and under the keys. */
{
  const tip = document.querySelector(".tip");
  const REACH = 40;
  let near = null;
  const middle = (mark) => {
    const box = mark.querySelector(".aim").getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
  };
  const show = (mark) => {
    near?.classList.remove("near");
    near = mark;
    tip.hidden = !mark;
    if (!mark) return;
    mark.classList.add("near");
    tip.textContent = mark.getAttribute("aria-label");
    const [x, y] = middle(mark), box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, x - box.width / 2), document.documentElement.clientWidth - box.width - 8);
    tip.style.left = `${left}px`;
    tip.style.top = `${y - box.height - 14 > 0 ? y - box.height - 14 : y + 14}px`;
  };
  const nearest = (marks, event) => {
    let best = null, least = REACH;
    for (const mark of marks) {
      const [x, y] = middle(mark);
      const distance = Math.hypot(x - event.clientX, y - event.clientY);
      if (distance < least) [best, least] = [mark, distance];
    }
    return best;
  };
  const step = (marks, mark, key) => {
    const at = { row: Number(mark.dataset.row), column: Number(mark.dataset.column) };
    const of = (row) => marks.filter((one) => Number(one.dataset.row) === row);
    const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[key];
    if (key === "Home" || key === "End") return of(at.row).at(key === "Home" ? 0 : -1);
    if (!move) return null;
    const row = of(at.row + move[0]);
    const exact = row.find((one) => Number(one.dataset.column) === at.column + move[1]);
    return exact ?? (move[0] ? row.at(-1) : null);
  };
  for (const plot of document.querySelectorAll(".plot")) {
    const marks = [...plot.querySelectorAll(".mark")];
    const stop = (mark) => { for (const one of marks) one.setAttribute("tabindex", one === mark ? 0 : -1); };
    stop(marks[0]);
    for (const area of plot.querySelectorAll(".area")) {
      const own = [...area.querySelectorAll(".mark")];
      area.addEventListener("pointermove", (event) => show(nearest(own, event)));
      area.addEventListener("pointerdown", (event) => show(nearest(own, event)));
      area.addEventListener("pointerleave", () => show(null));
    }
    plot.addEventListener("focusin", (event) => {
      const mark = event.target.closest(".mark");
      if (mark) show(mark);
    });
    plot.addEventListener("focusout", () => show(null));
    plot.addEventListener("keydown", (event) => {
      const mark = event.target.closest(".mark");
      if (!mark) return;
      if (event.key === "Escape") { show(null); return; }
      const next = step(marks, mark, event.key);
      if (!next) return;
      event.preventDefault();
      stop(next);
      next.focus();
    });
  }
  addEventListener("scroll", () => { if (near !== document.activeElement) show(null); }, { passive: true });
}
