"use strict";
(() => {
  const { rows, dimensions } = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 25;
  const at = (id) => document.getElementById(id);
  const tools = { search: at("search"), strategy: at("strategy"), emotion: at("emotion"),
                  stage: at("stage"), order: at("order") };
  let page = 0;
  let shown = rows;

  // Everything from a trace enters the page as text, never as markup.
  function make(tag, text, name) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  }

  function choices(select, field) {
    const counts = new Map();
    for (const row of rows) if (row[field]) counts.set(row[field], (counts.get(row[field]) || 0) + 1);
    for (const name of [...counts.keys()].sort()) {
      const option = make("option", `${name} (${counts.get(name)})`);
      option.value = name;
      select.append(option);
    }
  }

  const STAGES = {
    sampled: (row) => row.sampled,
    refined: (row) => row.refined,
    dropped: (row) => !row.refined && !row.error,
    failed: (row) => Boolean(row.error),
  };
  const behind = (value, sign) => (value === null ? -Infinity : sign * value);
  const ORDERS = {
    best: (a, b) => behind(b.score, 1) - behind(a.score, 1),
    worst: (a, b) => behind(b.score, -1) - behind(a.score, -1),
    torn: (a, b) => behind(b.disagreement, 1) - behind(a.disagreement, 1),
  };

  function choose() {
    const words = tools.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = rows.filter((row) =>
      (!tools.strategy.value || row.strategy === tools.strategy.value) &&
      (!tools.emotion.value || row.emotion === tools.emotion.value) &&
      (!tools.stage.value || STAGES[tools.stage.value](row)) &&
      words.every((word) => row.text.includes(word)));
    const order = ORDERS[tools.order.value];
    if (order) shown = [...shown].sort((a, b) => order(a, b) || (a.id < b.id ? -1 : 1));
    page = 0;
    draw();
  }

  function talk(row) {
    const list = make("ul", undefined, "talk");
    for (const [role, text] of row.turns) {
      const line = make("li");
      line.append(make("b", role), document.createTextNode(text));
      list.append(line);
    }
    const reply = make("li", undefined, "reply");
    reply.append(make("b", "listener"), document.createTextNode(row.reply));
    list.append(reply);
    return list;
  }

  function details(row) {
    const list = make("dl");
    const facts = row.error ? [["failed", row.error]]
      : [["context", row.context], ["emotion", row.emotion], ["strategy", row.strategy],
         ["action", row.action], ...(row.mended.length ? [["mended", row.mended.join(", ")]] : [])];
    for (const [name, text] of facts) list.append(make("dt", name), make("dd", text));
    return list;
  }

  function scores(row) {
    const names = Object.keys(row.scores);
    const table = make("table", undefined, "scores");
    const head = make("tr");
    head.append(make("th", "evaluator"), ...dimensions.map((name) => make("th", name, "num")));
    table.append(make("thead"));
    table.tHead.append(head);
    const body = make("tbody");
    for (const name of names) {
      const line = make("tr");
      const found = row.scores[name];
      line.append(make("th", name));
      for (const dimension of dimensions) {
        const value = found[dimension];
        line.append(make("td", typeof value === "number" ? value.toFixed(1) : "–", "num"));
      }
      body.append(line);
    }
    table.append(body);
    if (!names.length) return [];
    const box = make("div", undefined, "scroll");
    box.append(table);
    return [box];
  }

  function card(row) {
    const item = make("li", undefined, "trace");
    const head = make("h3", row.strategy || "no trace");
    const kept = row.sampled ? "sampled" : row.refined ? "refined" : "";
    head.append(make("small", row.emotion), make("small", row.id));
    if (row.score !== null) head.append(make("small", `score ${row.score.toFixed(2)}`));
    if (row.disagreement !== null) head.append(make("small", `disagreement ${row.disagreement.toFixed(2)}`));
    if (kept) head.append(make("small", kept, "kept"));
    item.append(head, talk(row), details(row), ...scores(row));
    return item;
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    at("traces").replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map(card));
    at("status").textContent = `${shown.length} of ${rows.length} traces`;
    at("page").textContent = `page ${page + 1} of ${pages}`;
    at("previous").disabled = page === 0;
    at("next").disabled = page === pages - 1;
  }

  for (const row of rows) {
    row.text = [row.id, row.context, row.action, row.reply, ...row.turns.map((t) => t[1])].join(" ").toLowerCase();
  }
  choices(tools.strategy, "strategy");
  choices(tools.emotion, "emotion");
  at("tools").addEventListener("input", choose);
  at("tools").addEventListener("submit", (event) => event.preventDefault());
  at("previous").addEventListener("click", () => { page -= 1; draw(); });
  at("next").addEventListener("click", () => { page += 1; draw(); });
  draw();
})();
