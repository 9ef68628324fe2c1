/* Tables: sorted by a column, filtered by words and values, walked through by arrow keys. */
{
  const FEW_ROWS = 5, MOST_VALUES = 40;
  const make = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const worth = (cell) => {
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    const text = cell.textContent.trim();
    return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
  };
  /* Numbers before texts, and what is empty last, in either direction. */
  const compare = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * a.localeCompare(b, "en", { numeric: true });
  };

  const sortable = (table) => {
    const body = table.tBodies[0], rows = [...body.rows];
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const name = heading.textContent.trim();
      const cells = rows.map((row) => row.cells[column]);
      if (cells.some((cell) => cell.classList.contains("n"))) heading.classList.add("n");
      if (name === "") return;
      const button = make("button", { type: "button" }, name);
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const now = heading.getAttribute("aria-sort");
        const next = { ascending: "descending", descending: "" }[now] ?? "ascending";
        for (const other of headings) other.removeAttribute("aria-sort");
        const sorted = [...rows];
        if (next) {
          heading.setAttribute("aria-sort", next);
          const sign = next === "ascending" ? 1 : -1;
          sorted.sort((a, b) => compare(worth(a.cells[column]), worth(b.cells[column]), sign));
        }
        body.append(...sorted);
        say(next ? `Sorted by ${name}, ${next}.` : "In the original order.");
      });
    });
  };

  const choices = (rows, column) => {
    const cells = rows.map((row) => row.cells[column]);
    if (cells.some((cell) => cell.classList.contains("n"))) return [];
    const values = [...new Set(cells.map((cell) => cell.textContent.trim()))].filter(Boolean);
    return values.length > 1 && values.length <= Math.min(MOST_VALUES, rows.length / 2) ? values : [];
  };

  const filterable = (holder, table) => {
    const rows = [...table.tBodies[0].rows];
    const tools = make("div", { className: "tools" });
    const words = make("input", { type: "search" });
    const count = make("span", { className: "count" });
    const selects = [];
    tools.append(make("label", {}, "Filter", words));
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const values = heading.classList.contains("detail") ? [] : choices(rows, column);
      if (!values.length) return;
      const select = make("select", {}, new Option("all", ""), ...values.map((one) => new Option(one, one)));
      selects.push([select, column]);
      tools.append(make("label", {}, heading.textContent.trim(), select));
    });
    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        const fits = wanted.every((word) => text.includes(word)) && selects.every(
          ([select, column]) => !select.value || row.cells[column].textContent.trim() === select.value);
        row.hidden = !fits;
        shown += fits;
      }
      const all = rows.length === 1 ? "1 row" : `${rows.length} rows`;
      const text = shown === rows.length ? all : `${shown} of ${all}`;
      if (count.textContent && count.textContent !== text) say(text);
      count.textContent = text;
      clear.hidden = !words.value && selects.every(([select]) => !select.value);
    };
    const clear = make("button", { type: "button", hidden: true }, "Show all rows");
    clear.addEventListener("click", () => {
      words.value = "";
      for (const [select] of selects) select.value = "";
      apply();
      words.focus();
    });
    for (const one of [words, ...selects.map(([select]) => select)]) one.addEventListener("input", apply);
    if (table.querySelector(".detail")) {
      const all = make("input", { type: "checkbox" });
      all.addEventListener("change", () => table.classList.toggle("all", all.checked));
      tools.append(make("label", { className: "check" }, all, "all columns"));
    }
    tools.append(clear, count);
    apply();
    holder.prepend(tools);
  };

  /* The numbers of a table are one stop of the tab key; arrows lead from one to the next. */
  const walkable = (table) => {
    const links = [...table.querySelectorAll("a.number")];
    links.forEach((link, place) => { link.tabIndex = place ? -1 : 0; });
    const visible = (cell) => cell && cell.offsetParent !== null && cell.querySelector("a.number");
    const beside = (cell, key) => {
      const down = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[key];
      const along = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[key];
      if (along) {
        for (let one = cell[along]; one; one = one[along]) if (visible(one)) return visible(one);
      } else if (down) {
        for (let row = cell.parentElement[down]; row; row = row[down]) {
          const one = visible(row.cells[cell.cellIndex]);
          if (one) return one;
        }
      }
      return null;
    };
    table.addEventListener("keydown", (event) => {
      const link = event.target.closest("a.number");
      const next = link && !event.altKey && !event.ctrlKey && !event.metaKey && beside(link.closest("td"), event.key);
      if (!next) return;
      event.preventDefault();
      for (const one of links) one.tabIndex = one === next ? 0 : -1;
      next.focus();
    });
    /* A row that is filtered away takes its tab stop along: the first that is shown gets it. */
    table.closest(".table")?.addEventListener("input", () => {
      if (links.some((one) => one.tabIndex === 0 && one.offsetParent !== null)) return;
      const first = links.find((one) => one.offsetParent !== null);
      for (const one of links) one.tabIndex = one === first ? 0 : -1;
    });
  };

  /* Where columns lie beyond the right edge, the edge shows it. */
  const watchEdge = (scroller) => {
    const mark = () => scroller.classList.toggle(
      "more", scroller.scrollLeft + scroller.clientWidth < scroller.scrollWidth - 2);
    scroller.addEventListener("scroll", mark, { passive: true });
    new ResizeObserver(mark).observe(scroller);
  };

  for (const scroller of document.querySelectorAll(".scroller")) watchEdge(scroller);
  for (const holder of document.querySelectorAll(".table")) {
    const table = holder.querySelector("table");
    sortable(table);
    if (table.tBodies[0].rows.length > FEW_ROWS || table.querySelector(".detail")) filterable(holder, table);
    walkable(table);
  }
}
