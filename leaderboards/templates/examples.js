"use strict";
(() => {
  const facts = JSON.parse(document.getElementById("data").textContent);
  const by = (id) => document.getElementById(id);
  const PAGE = 20;
  let examples = [];
  let values = [];
  const answers = new Map(); // system → {replies, extras, lower}
  const bases = new Map(); // example → its own words, lower case
  let order = [];
  let state = {};

  async function unpack(name) {
    const packed = Uint8Array.from(atob(by(name).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  async function need(systems) {
    await Promise.all(systems.filter((i) => !answers.has(i)).map(async (i) => {
      const [replies, extras] = await unpack("system-" + i);
      answers.set(i, { replies, extras, lower: replies.map((text) => (text || "").toLowerCase()) });
    }));
  }

  function make(name, text, kind) {
    const part = document.createElement(name);
    if (text !== undefined) part.textContent = text;
    if (kind) part.className = kind;
    return part;
  }

  // The address: what is looked for, which systems, which order, which page or example.
  function readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const last = facts.systems.length - 1;
    const system = (text, otherwise) => {
      const i = Number.parseInt(text, 10);
      return i >= 0 && i <= last ? i : otherwise;
    };
    // A board's row leads to its own answers.
    const own = facts.systems.findIndex((s) => s.id === asked.get("of"));
    const shown = own >= 0 ? [own] : (asked.get("show") ?? "0,1,2").split(",").map((t) => system(t, -1));
    const choice = (id, value) => ([...by(id).options].some((o) => o.value === value) ? value : by(id).options[0]?.value || "");
    return {
      find: asked.get("find") || "",
      label: choice("label", asked.get("label") || ""),
      order: choice("order", asked.get("order") || ""),
      metric: choice("metric", asked.get("metric") || ""),
      shown: [...new Set(shown.filter((i) => i >= 0))],
      a: system(asked.get("a"), Math.max(own, 0)),
      b: system(asked.get("b"), own > 0 ? 0 : Math.min(1, last)),
      page: Math.max(0, (Number.parseInt(asked.get("page"), 10) || 1) - 1),
      id: asked.get("id") || "",
    };
  }

  function address(extra = {}) {
    const parts = new URLSearchParams();
    const all = { ...state, ...extra };
    for (const key of ["find", "label", "order"]) if (all[key]) parts.set(key, all[key]);
    if (all.metric && all.metric !== facts.metrics[0]?.name) parts.set("metric", all.metric);
    if (all.shown.join() !== "0,1,2") parts.set("show", all.shown.join());
    if (all.a !== 0) parts.set("a", all.a);
    if (all.b !== Math.min(1, facts.systems.length - 1)) parts.set("b", all.b);
    if (all.id) parts.set("id", all.id);
    else if (all.page) parts.set("page", all.page + 1);
    return "#" + parts;
  }

  const labelOf = (example) => example.strategy || example.emotion || "";

  function matches(i, wanted) {
    if (state.label && labelOf(examples[i]) !== state.label) return false;
    if (!wanted) return true;
    if (!bases.has(i)) {
      const { id, context, reference } = examples[i];
      bases.set(i, [id, ...context.map((turn) => turn[1]), reference].join("\n").toLowerCase());
    }
    return bases.get(i).includes(wanted) || state.shown.some((s) => answers.get(s).lower[i].includes(wanted));
  }

  // How far up an example comes; what has no value comes last.
  function weight(i) {
    const index = facts.metrics.findIndex((metric) => metric.name === state.metric);
    if (index < 0) return null;
    const sign = facts.metrics[index].direction === "lower" ? -1 : 1;
    const value = (system) => values[system][index]?.[i] ?? null;
    if (state.order === "a" || state.order === "b") {
      const [mine, other] = state.order === "a" ? [value(state.a), value(state.b)] : [value(state.b), value(state.a)];
      return mine === null || other === null ? null : sign * (mine - other);
    }
    const found = facts.systems
      .map((system, s) => (system.kind === "human" ? null : value(s)))
      .filter((v) => v !== null);
    if (!found.length) return null;
    if (state.order === "apart") return Math.max(...found) - Math.min(...found);
    return (-sign * found.reduce((x, y) => x + y, 0)) / found.length;
  }

  function arrange() {
    const wanted = state.find.trim().toLowerCase();
    order = [];
    for (let i = 0; i < examples.length; i += 1) if (matches(i, wanted)) order.push(i);
    if (state.order) {
      const weights = new Map(order.map((i) => [i, weight(i)]));
      order = order.filter((i) => weights.get(i) !== null).sort((i, j) => weights.get(j) - weights.get(i) || i - j);
    }
  }

  function reply(i, s) {
    const { name, kind } = facts.systems[s];
    const part = make("div", undefined, "reply " + kind);
    part.append(make("b", name));
    const { replies, extras } = answers.get(s);
    if (replies[i] !== null) part.append(make("span", replies[i]));
    const extra = extras[i] || {};
    if (extra.error) part.append(make("span", " failed: " + extra.error, "failed"));
    const numbers = facts.metrics
      .map((metric, m) => [metric.label, values[s][m]?.[i] ?? null])
      .filter((pair) => pair[1] !== null)
      .map(([label, value]) => `${label} ${value}`);
    part.append(make("span", numbers.join(" · "), "values"));
    for (const [title, text] of [["Trace", extra.trace && JSON.stringify(extra.trace, null, 2)], ["Unparsed", extra.raw], ["Judges", extra.verdicts]]) {
      if (!text) continue;
      const fold = make("details");
      fold.append(make("summary", title), make("pre", text));
      part.append(fold);
    }
    return part;
  }

  function article(i) {
    const example = examples[i];
    const part = make("article", undefined, state.id === example.id ? "chosen" : "");
    const head = make("h3");
    const link = make("a", example.id);
    link.href = address({ id: example.id });
    link.title = "A link to this example";
    head.append(link, [example.emotion, example.strategy].filter(Boolean).map((l) => " · " + l).join(""));
    const left = make("div");
    for (const [role, text] of example.context) {
      const turn = make("p", undefined, "turn " + (role === "listener" ? role : "speaker"));
      turn.append(make("b", role), text);
      left.append(turn);
    }
    const right = make("div");
    const gold = make("div", undefined, "reply gold");
    gold.append(make("b", "reference"), make("span", example.reference));
    right.append(gold, ...state.shown.map((s) => reply(i, s)));
    part.append(head, left, right);
    return part;
  }

  function showClaims() {
    const turned = (claim) => claim.a === state.b && claim.b === state.a;
    const found = facts.claims.filter((c) => (c.a === state.a && c.b === state.b) || turned(c));
    const lines = found.map((claim) => make("li", claim.sentence, claim.verdict));
    const names = [state.a, state.b].map((s) => facts.systems[s].name);
    if (state.a === state.b) lines.push(make("li", "Choose two systems."));
    else if (!lines.length) lines.push(make("li", `Nothing was tested between ${names[0]} and ${names[1]}: empathy-bench compare does.`));
    by("claims").replaceChildren(...lines);
  }

  async function show() {
    await need(state.shown);
    for (const id of ["find", "label", "order", "metric"]) if (by(id).value !== state[id]) by(id).value = state[id];
    by("a").value = state.a;
    by("b").value = state.b;
    for (const box of by("systems").querySelectorAll("input")) box.checked = state.shown.includes(Number(box.value));
    arrange();
    if (state.id) {
      const place = order.findIndex((i) => examples[i].id === state.id);
      if (place >= 0) state.page = Math.floor(place / PAGE);
    }
    const pages = Math.max(1, Math.ceil(order.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const some = order.slice(state.page * PAGE, (state.page + 1) * PAGE);
    by("list").replaceChildren(...some.map(article));
    const active = [state.find.trim() && `“${state.find.trim()}”`, state.label, state.order && by("order").selectedOptions[0].textContent];
    const said = active.filter(Boolean).join(" · ");
    by("status").textContent = `${order.length.toLocaleString("en")} of ${facts.count.toLocaleString("en")} examples${said ? ": " + said : ""}`;
    by("where").textContent = `page ${state.page + 1} of ${pages}`;
    by("before").disabled = state.page === 0;
    by("after").disabled = state.page >= pages - 1;
    showClaims();
    document.querySelector("article.chosen")?.scrollIntoView({ block: "start" });
  }

  function change(fields) {
    state = { ...state, id: "", page: 0, ...fields };
    history.replaceState(null, "", address());
    return show();
  }

  function options(id, pairs) {
    by(id).append(...pairs.map(([value, text]) => {
      const option = make("option", text);
      option.value = value;
      return option;
    }));
  }

  function controls() {
    const names = facts.systems.map((system, i) => [i, system.detail ? `${system.name} · ${system.detail}` : system.name]);
    options("a", names);
    options("b", names);
    options("metric", facts.metrics.filter((m) => m.direction !== "none").map((m) => [m.name, m.label]));
    options("label", [...new Set(examples.map(labelOf))].filter(Boolean).sort().map((l) => [l, l]));
    for (const [i, name] of names) {
      const label = make("label");
      const box = make("input");
      box.type = "checkbox";
      box.value = i;
      label.append(box, " " + name);
      by("systems").append(label);
    }
    by("systems").addEventListener("change", () => {
      const boxes = [...by("systems").querySelectorAll("input:checked")];
      change({ shown: boxes.map((box) => Number(box.value)), page: state.page });
    });
    by("find").addEventListener("input", () => change({ find: by("find").value }));
    for (const id of ["label", "order", "metric"]) by(id).addEventListener("change", () => change({ [id]: by(id).value }));
    for (const id of ["a", "b"]) by(id).addEventListener("change", () => change({ [id]: Number(by(id).value) }));
    const turn = async (step) => {
      await change({ page: state.page + step });
      by("status").scrollIntoView({ block: "start" });
    };
    by("before").addEventListener("click", () => turn(-1));
    by("after").addEventListener("click", () => turn(1));
    addEventListener("hashchange", () => {
      state = readAddress();
      show();
    });
  }

  (async () => {
    [examples, values] = await Promise.all([unpack("examples"), unpack("values")]);
    controls();
    state = readAddress();
    await show();
  })();
})();
