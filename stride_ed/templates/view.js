"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const fields = ["search", "system", "total", "kind", "emotion", "strategy"];
  const dialogues = [...document.querySelectorAll(".dialogue")].map((element) => ({
    element,
    text: element.textContent.toLowerCase(),
    answers: [...element.querySelectorAll("article")].map((article) => article.dataset),
  }));

  function choose() {
    const wanted = Object.fromEntries(fields.map((name) => [name, at(name).value]));
    const words = wanted.search.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (answer) => ["system", "total", "kind", "strategy"].every(
      (name) => !wanted[name] || answer[name] === wanted[name]);
    let shown = 0;
    for (const { element, text, answers } of dialogues) {
      const keep = words.every((word) => text.includes(word)) && answers.some(fits) &&
        (!wanted.emotion || element.dataset.emotion === wanted.emotion) &&
        (!at("differ").checked || element.dataset.differ === "1");
      element.hidden = !keep;
      shown += keep;
    }
    at("status").textContent = `${shown} of ${dialogues.length} dialogues`;
  }

  at("tools").hidden = false;
  at("tools").addEventListener("input", choose);
  at("tools").addEventListener("submit", (event) => event.preventDefault());
  choose();
})();
