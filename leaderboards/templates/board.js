"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const sections = all("main > section");
  const box = document.getElementById("filter");
  const status = document.getElementById("status");
  const choices = all("select[data-facet]");
  const tip = document.getElementById("tip");
  const FIXED = new Set(["floor", "human"]);

  // What the address says: which table, which names and facts, and how each table is sorted and widened.
  let state = { task: "", filter: "", facets: new Map(), sort: new Map(), wide: new Set() };

  function readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const known = new Set(sections.map((section) => section.dataset.slug));
    const sort = new Map();
    for (const part of asked.getAll("sort")) {
      const [slug, direction, ...column] = part.split("~");
      if (known.has(slug) && (direction === "asc" || direction === "desc")) {
        sort.set(slug, { column: column.join("~"), direction: direction + "ending" });
      }
    }
    const task = asked.get("task") || "";
    return {
      task: known.has(task) ? task : "",
      filter: asked.get("filter") || "",
      facets: readFacets(asked.getAll("by")),
      sort,
      wide: new Set(asked.getAll("all").filter((slug) => known.has(slug))),
    };
  }

  // Only what the page offers: a value it does not know filters nothing away.
  function readFacets(parts) {
    const found = new Map();
    for (const part of parts) {
      const [name, ...rest] = part.split("~");
      const choice = choices.find((select) => select.dataset.facet === name);
      const value = rest.join("~");
      if (choice && value && [...choice.options].some((option) => option.value === value)) {
        found.set(name, value);
      }
    }
    return found;
  }

  function writeAddress() {
    const parts = new URLSearchParams();
    if (state.task) parts.set("task", state.task);
    if (state.filter) parts.set("filter", state.filter);
    for (const [name, value] of state.facets) parts.append("by", name + "~" + value);
    for (const [slug, by] of state.sort) {
      parts.append("sort", [slug, by.direction.replace("ending", ""), by.column].join("~"));
    }
    for (const slug of state.wide) parts.append("all", slug);
    const text = parts.toString();
    history.replaceState(null, "", text ? "#" + text : location.pathname + location.search);
  }

  function show() {
    for (const section of sections) {
      const slug = section.dataset.slug;
      section.hidden = Boolean(state.task) && state.task !== slug;
      sortTable(section, state.sort.get(slug) || section.initial);
      widen(section, state.wide.has(slug));
    }
    for (const link of all("nav a")) {
      if (link.dataset.task === state.task) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    if (box.value !== state.filter) box.value = state.filter;
    for (const select of choices) {
      select.value = state.facets.get(select.dataset.facet) || "";
      select.classList.toggle("on", Boolean(select.value));
    }
    filterRows();
  }

  function filterRows() {
    const wanted = state.filter.trim().toLowerCase();
    const fits = (part) => part.dataset.name.toLowerCase().includes(wanted);
    // What several papers printed of one system stays together.
    for (const unit of all("tbody.unit, tr.summary")) unit.hidden = !fits(unit);
    let shown = 0;
    let total = 0;
    for (const row of all("tr.row")) {
      if (FIXED.has(row.dataset.kind)) continue;
      const unit = row.closest("tbody.unit");
      const found = unit ? !unit.hidden : fits(row) && hasFacets(row);
      row.hidden = !found;
      // Of printed rows only the name is asked.
      if (row.closest("section").hidden || (unit && !wanted)) continue;
      total += 1;
      shown += found ? 1 : 0;
    }
    for (const fold of all("details.prints, details.against")) unfold(fold, wanted);
    const active = [...state.facets].map(([name, value]) => `${facetLabel(name)}: ${value}`);
    if (wanted) active.unshift(`“${state.filter.trim()}”`);
    status.hidden = !active.length;
    status.firstElementChild.textContent = active.length
      ? `Filter ${active.join(" · ")}: ${shown} of ${total} rows. Floors and people stay.`
      : "";
  }

  // Facts are known of measured rows; printed ones are found by name alone.
  function hasFacets(row) {
    if (!state.facets.size) return true;
    row.facets = row.facets || JSON.parse(row.dataset.facets);
    return [...state.facets].every(([name, value]) => row.facets[name].includes(value));
  }

  function facetLabel(name) {
    const select = choices.find((choice) => choice.dataset.facet === name);
    return select.previousElementSibling.textContent;
  }

  // A filter opens what it finds something in; without a filter, what it opened closes again.
  function unfold(fold, wanted) {
    const found = all("tbody.unit", fold).some((unit) => !unit.hidden);
    fold.classList.toggle("empty", !found);
    if (wanted && found && !fold.open) {
      fold.open = true;
      fold.dataset.found = "1";
    } else if (!wanted && fold.dataset.found) {
      fold.open = false;
      delete fold.dataset.found;
    }
  }

  function sortTable(section, by) {
    const heads = all("thead th", section.querySelector("table"));
    const index = heads.findIndex((head) => head.firstElementChild.dataset.col === by.column);
    if (index < 0) return;
    const button = heads[index].firstElementChild;
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[index].setAttribute("aria-sort", by.direction);
    if (heads[index].classList.contains("extra")) state.wide.add(section.dataset.slug);
    const sign = by.direction === "ascending" ? 1 : -1;
    const key = (row) =>
      index === 0 ? row.dataset.name : row.children[index].dataset.v;
    const order = (a, b) => {
      const [left, right] = [key(a), key(b)];
      if (index === 0) return sign * left.localeCompare(right, "en");
      if (left === "" || right === "") return (left === "") - (right === "");
      return sign * (Number(left) - Number(right));
    };
    for (const body of all("tbody.measured", section.querySelector("table"))) {
      body.append(...all("tr.row", body).sort(order));
    }
    const label = button.querySelector(".collabel") || button;
    showRanks(section, index, label.textContent);
    section.querySelector(".by").textContent = label.textContent + ", " + words(button, by.direction);
    oneStop(section);
  }

  // The rank column speaks of the column that rows are sorted by, where that has ranks.
  function showRanks(section, index, label) {
    const head = section.querySelector(".rankhead small");
    if (!head) return;
    const rows = all("tbody.measured tr.row", section);
    const ranked = rows.some((row) => row.children[index].dataset.rank);
    if (!ranked) return;
    head.textContent = "by " + label;
    for (const row of rows) {
      const { rank, chance } = row.children[index].dataset;
      const [value, best] = row.querySelector("td.rank").children;
      value.textContent = rank || "–";
      best.textContent = rank ? "best " + chance : "";
    }
  }

  function words(button, direction) {
    const better = button.dataset.better;
    if (better === "higher" || better === "lower") {
      return (better === "higher") === (direction === "descending") ? "best first" : "best last";
    }
    return direction;
  }

  function widen(section, wide) {
    const table = section.querySelector("table");
    if (!table.dataset.wide) return;
    wide = wide || state.wide.has(section.dataset.slug);
    table.classList.toggle("compact", !wide);
    const button = section.querySelector("[data-all]");
    button.hidden = false;
    button.setAttribute("aria-pressed", String(wide));
    const count = all("thead th.num:not(.count):not(.rank)", table).length;
    button.textContent = wide ? "Show the main metrics only" : `Show all ${count} metrics`;
    oneStop(section);
  }

  // One tab stop per table; the arrow keys move between its numbers.
  function oneStop(section) {
    for (const table of all("table", section)) {
      const cells = all("td[data-tip]", table);
      cells.forEach((cell) => { cell.tabIndex = -1; });
      const first = cells.find((cell) => cell.offsetParent !== null) || cells[0];
      if (first) first.tabIndex = 0;
    }
  }

  function move(cell, key) {
    const row = cell.parentElement;
    const usable = (other) => other && other.matches("td[data-tip]") && other.offsetParent !== null;
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const step = key === "ArrowLeft" ? "previousElementSibling" : "nextElementSibling";
      let next = cell[step];
      while (next && !usable(next)) next = next[step];
      return next;
    }
    const rows = all("tr.row", row.closest("table")).filter((other) => other.offsetParent !== null);
    const next = rows[rows.indexOf(row) + (key === "ArrowUp" ? -1 : 1)];
    return next && next.children[cell.cellIndex];
  }

  function showTip(cell) {
    tip.replaceChildren(
      ...cell.dataset.tip.split("\n").map((line) => {
        const part = document.createElement("div");
        part.textContent = line;
        return part;
      }),
    );
    tip.hidden = false;
    const at = cell.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.right - tip.offsetWidth), innerWidth - tip.offsetWidth - 8);
    const below = at.bottom + 6 + tip.offsetHeight < innerHeight;
    tip.style.left = Math.max(8, left) + "px";
    tip.style.top = (below ? at.bottom + 6 : Math.max(8, at.top - tip.offsetHeight - 6)) + "px";
  }

  function save(kind) {
    const data = JSON.parse(document.getElementById("data").textContent);
    const text = kind === "csv" ? csv(data.results) : JSON.stringify(data, null, 2);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: kind === "csv" ? "text/csv" : "application/json" }));
    link.download = "board." + kind;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function csv(results) {
    // A spreadsheet would run a text that begins like a formula.
    const field = (value) => {
      if (value === null || value === undefined) return "";
      if (typeof value === "number") return String(value);
      const text = String(value);
      return '"' + (/^[=+\-@\t\r]/.test(text) ? "'" + text : text).replaceAll('"', '""') + '"';
    };
    const rows = [["task", "version", "example_set", "fingerprint", "profile", "model", "kind", "provenance", "metric", "value", "low", "high", "unit", "n", "n_failed", "signature", "result"]];
    for (const r of results) {
      for (const m of r.metrics) {
        rows.push([r.task, r.task_version, r.protocol.example_set, r.protocol.fingerprint, r.protocol.profile, r.model.name, r.model.kind, r.provenance, m.name, m.value, m.low, m.high, m.unit, m.n, m.n_failed, m.signature, r.id]);
      }
    }
    return rows.map((row) => row.map(field).join(",")).join("\r\n") + "\r\n";
  }

  for (const section of sections) {
    const head = section.querySelector("th[aria-sort]");
    section.initial = head
      ? { column: head.firstElementChild.dataset.col, direction: head.getAttribute("aria-sort") }
      : { column: "name", direction: "ascending" };
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("button, a");
    if (!target) return;
    const data = target.dataset;
    if (data.col !== undefined) {
      const section = target.closest("section");
      const now = target.parentElement.getAttribute("aria-sort");
      const turned = now === "ascending" ? "descending" : "ascending";
      state.sort.set(section.dataset.slug, { column: data.col, direction: now ? turned : data.first });
    } else if (data.all !== undefined) {
      if (state.wide.has(data.all)) {
        state.wide.delete(data.all);
        const sorted = target.closest("section").querySelector("th[aria-sort].extra");
        if (sorted) state.sort.delete(data.all);
      } else state.wide.add(data.all);
    } else if (data.task !== undefined) {
      event.preventDefault();
      state.task = data.task;
    } else if (data.save !== undefined) {
      save(data.save);
      return;
    } else if (target.id === "clear") {
      state.filter = "";
      state.facets.clear();
      box.focus();
    } else if (target.classList.contains("cardlink")) {
      event.preventDefault();
      const card = document.getElementById(target.getAttribute("href").slice(1));
      card.parentElement.open = true;
      card.open = true;
      card.firstElementChild.focus();
      card.scrollIntoView({ block: "center" });
      return;
    } else return;
    show();
    writeAddress();
  });
  box.addEventListener("input", () => {
    state.filter = box.value;
    show();
    writeAddress();
  });
  for (const select of choices) {
    select.addEventListener("change", () => {
      if (select.value) state.facets.set(select.dataset.facet, select.value);
      else state.facets.delete(select.dataset.facet);
      show();
      writeAddress();
    });
  }
  addEventListener("hashchange", () => {
    state = readAddress();
    show();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.hidden = true;
    const cell = event.target.closest && event.target.closest("td[data-tip]");
    if (!cell || !event.key.startsWith("Arrow") || event.ctrlKey || event.altKey || event.metaKey) return;
    const next = move(cell, event.key);
    if (!next) return;
    event.preventDefault();
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  document.addEventListener("mouseover", (event) => {
    const cell = event.target.closest("td[data-tip]");
    if (cell) showTip(cell);
    else tip.hidden = true;
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("td[data-tip]")) showTip(event.target);
    else tip.hidden = true;
  });
  addEventListener("scroll", () => {
    // Focusing a cell may scroll it into view: its words follow it.
    const cell = document.activeElement;
    if (!tip.hidden && cell.matches("td[data-tip]")) showTip(cell);
    else tip.hidden = true;
  }, true);

  state = readAddress();
  show();
})();
