"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("data").textContent);
  const place = `empathy-bench:${data.form}`;
  let answers = {};
  let began = null;
  let current = 0;
  let shownAt = 0;
  let saved = false;

  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  const title = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

  function said(text) {
    const words = make("span", "said", text);
    words.dir = "auto";
    return words;
  }

  function keep() {
    try {
      localStorage.setItem(place, JSON.stringify({ answers, began, current }));
      return true;
    } catch {
      return false;
    }
  }

  function recall() {
    try {
      const found = JSON.parse(localStorage.getItem(place) || "null");
      if (!found) return;
      for (const { code } of data.items) {
        const kept = found.answers?.[code];
        if (!kept) continue;
        const values = {};
        for (const { name, options } of data.criteria) {
          const value = kept.values?.[name];
          if (options.some((option) => option[0] === value)) values[name] = value;
        }
        answers[code] = { values, seconds: Number(kept.seconds) || 0 };
      }
      began = found.began;
      current = Math.min(Math.max(0, found.current | 0), data.items.length - 1);
    } catch {
      answers = {};
    }
  }

  const answerOf = (item) => answers[item.code] || (answers[item.code] = { values: {}, seconds: 0 });
  const whole = (item) => data.criteria.every(({ name }) => name in (answers[item.code]?.values || {}));

  function only(id) {
    for (const name of ["start", "item", "end"]) at(name).hidden = name !== id;
  }

  function spent() {
    if (!shownAt) return;
    const item = data.items[current];
    answerOf(item).seconds += Math.round((performance.now() - shownAt) / 100) / 10;
    shownAt = performance.now();
  }

  function question(item, { name, question: words, options }, number) {
    const fieldset = make("fieldset");
    const legend = make("legend");
    legend.append(make("b", "", `${title(name)}. `), words);
    fieldset.append(legend);
    const anchored = options.some((option) => option[2]);
    const group = make("div", anchored ? "options" : "options short");
    for (const [value, label, anchor] of options) {
      const row = make("label");
      const input = make("input");
      input.type = "radio";
      input.name = name;
      input.value = value;
      input.checked = answers[item.code]?.values[name] === value;
      const said = make("span");
      said.append(make("b", "", label), anchor);
      row.append(input, said);
      group.append(row);
    }
    group.addEventListener("change", (event) => {
      answerOf(item).values[name] = Number(event.target.value);
      saved = false;
      fieldset.classList.remove("open");
      spent();
      keep();
    });
    fieldset.dataset.number = number;
    fieldset.append(group);
    return fieldset;
  }

  function show(focus) {
    const item = data.items[current];
    only("item");
    at("h-item").textContent = `Item ${current + 1} of ${data.items.length}`;
    at("bar").max = data.items.length;
    at("bar").value = data.items.filter(whole).length;
    at("missing").hidden = true;
    at("kept").textContent = "";
    at("back").disabled = current === 0;
    at("next").textContent = current + 1 === data.items.length ? "Finish" : "Next";
    at("context").replaceChildren(...item.context.map(([role, text]) => {
      const turn = make("p", "turn");
      turn.append(make("b", "", role), said(text));
      return turn;
    }));
    const two = item.replies.length === 2;
    at("replies").className = two ? "two" : "";
    at("replies").replaceChildren(...item.replies.map((text, number) => {
      const reply = make("div", "reply");
      const label = two ? `Reply ${number + 1}` : "Reply";
      reply.append(make("b", "", label), said(text));
      reply.setAttribute("role", "group");
      reply.setAttribute("aria-label", label);
      return reply;
    }));
    // What scrolls in its own box must be reached by keyboard, too.
    for (const reply of at("replies").children) {
      if (reply.scrollHeight > reply.clientHeight) reply.tabIndex = 0;
    }
    at("questions").replaceChildren(...data.criteria.map((c, n) => question(item, c, n)));
    shownAt = performance.now();
    if (focus) {
      window.scrollTo(0, 0);
      focusOn(0);
    }
  }

  function focusOn(number) {
    const fieldset = at("questions").children[number];
    const input = fieldset?.querySelector("input:checked") || fieldset?.querySelector("input");
    (input || at("next")).focus({ preventScroll: number === 0 });
  }

  function go(step) {
    spent();
    current += step;
    keep();
    if (current >= data.items.length) {
      current = data.items.length - 1;
      finish();
    } else {
      show(true);
    }
  }

  function forward() {
    const open = data.criteria.findIndex(
      ({ name }) => !(name in answerOf(data.items[current]).values));
    if (open >= 0) {
      at("missing").hidden = false;
      at("questions").children[open].classList.add("open");
      focusOn(open);
      return;
    }
    const left = data.items.findIndex((item) => !whole(item));
    if (current + 1 === data.items.length && left >= 0) {
      spent();
      current = left;
      show(true);
      return;
    }
    go(1);
  }

  function results() {
    return JSON.stringify({
      schema: data.schema,
      form: data.form,
      rater: data.rater,
      began,
      ended: new Date().toISOString(),
      answers: data.items.filter(whole).map(({ code }) => ({ code, ...answers[code] })),
    }, null, 1);
  }

  function finish() {
    shownAt = 0;
    only("end");
    at("text").value = results();
    at("h-end").focus();
  }

  at("begin").addEventListener("click", () => {
    began ||= new Date().toISOString();
    keep();
    if (data.items.every(whole)) finish();
    else show(true);
  });
  at("back").addEventListener("click", () => go(-1));
  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    forward();
  });
  at("again").addEventListener("click", () => {
    current = 0;
    show(true);
  });
  function save(told) {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([results()], { type: "application/json" }));
    link.download = `results-${data.rater}.json`;
    link.click();
    saved = true;
    told.textContent = `${link.download} is in your downloads.`;
  }

  at("save").addEventListener("click", () => save(at("saved")));
  at("part").addEventListener("click", () => {
    spent();
    save(at("kept"));
    at("kept").textContent += " It holds the items that are answered whole; you can go on.";
  });
  window.addEventListener("beforeunload", (event) => {
    if (!saved && !keep() && data.items.some(whole)) event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (at("item").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    const fieldset = document.activeElement?.closest?.("fieldset");
    const number = fieldset ? Number(fieldset.dataset.number) : 0;
    if (/^[0-9]$/.test(event.key)) {
      const target = at("questions").children[number]?.querySelector(`input[value="${event.key}"]`);
      if (target) {
        event.preventDefault();
        target.click();
        focusOn(number + 1);
      }
    } else if (event.key === "Backspace" && current > 0) {
      event.preventDefault();
      go(-1);
    } else if (event.key === "Enter" && document.activeElement?.type === "radio") {
      event.preventDefault();
      forward();
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      spent();
      shownAt = 0;
      keep();
    } else if (!at("item").hidden) {
      shownAt = performance.now();
    }
  });

  recall();
  at("unsaved").hidden = keep();
  if (began) at("begin").textContent = "Go on";
})();
