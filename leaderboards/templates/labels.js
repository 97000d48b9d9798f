"use strict";
// Confusion matrices and label distributions, drawn when their part of the page is opened.
(() => {
  const { draw, figure } = svg;
  const data = JSON.parse(document.getElementById("data").textContent).labels;

  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const percent = (part, whole) => (whole ? (100 * part) / whole : 0).toFixed(1) + " %";
  const widest = (labels) => 12 + 6.2 * Math.max(...labels.map((label) => label.length));

  function matrix(view) {
    const columns = [...view.labels, "no label"];
    const left = widest(view.labels);
    const foot = widest(columns);
    const cell = Math.max(9, Math.min(26, 330 / columns.length));
    const [whole, plot] = figure(
      "Gold labels down, answers across; the stronger the colour, the larger its share of the gold label.",
      left + cell * columns.length + 4, cell * view.labels.length + foot + 4);
    view.labels.forEach((gold, i) => {
      const total = sum(view.counts[i]);
      const y = i * cell;
      draw("text", { class: "tick", x: left - 5, y: y + cell * 0.5 + 3.5, "text-anchor": "end" }, plot, gold);
      columns.forEach((answer, j) => {
        const count = view.counts[i][j];
        const share = total ? count / total : 0;
        const box = draw("rect", {
          class: j === view.labels.length ? "heat none" : "heat", x: left + j * cell, y,
          width: cell - 0.8, height: cell - 0.8, "fill-opacity": count ? 0.08 + 0.92 * share : 0,
        }, plot);
        draw("title", {}, box, `${gold} → ${answer}: ${count} of ${total}, ${percent(count, total)}`);
        if (i === j) draw("rect", { class: "diagonal", x: left + j * cell, y, width: cell - 0.8, height: cell - 0.8 }, plot);
      });
    });
    const base = cell * view.labels.length + 6;
    columns.forEach((answer, j) => {
      const x = left + (j + 0.5) * cell + 3.5;
      draw("text", { class: "tick", x, y: base, "text-anchor": "end", transform: `rotate(-90 ${x} ${base})` }, plot, answer);
    });
    return whole;
  }

  function distribution(view) {
    const columns = [...view.labels, "no label"];
    const total = sum(view.counts.map(sum));
    const gold = [...view.counts.map(sum), 0];
    const said = columns.map((_, j) => sum(view.counts.map((row) => row[j])));
    const left = widest(columns);
    const step = Math.max(12, Math.min(26, 360 / columns.length));
    const scale = 250 / Math.max(...gold, ...said, 1);
    const [whole, plot] = figure(
      "How often each label was answered (filled) and is right (line), of all examples.",
      left + 250 + 52, step * columns.length + 4);
    columns.forEach((label, i) => {
      const y = i * step;
      draw("text", { class: "tick", x: left - 5, y: y + step * 0.5 + 3.5, "text-anchor": "end" }, plot, label);
      const bar = draw("rect", { class: "said", x: left, y: y + step * 0.2, width: said[i] * scale, height: step * 0.55 }, plot);
      draw("title", {}, bar, `${label}: answered ${said[i]}, right ${gold[i]} of ${total}`);
      if (gold[i]) draw("path", { class: "gold", d: `M${left + gold[i] * scale} ${y + step * 0.06}V${y + step * 0.9}` }, plot);
      draw("text", { class: "tick", x: left + Math.max(said[i], gold[i]) * scale + 5, y: y + step * 0.5 + 3.5 }, plot, percent(said[i], total));
    });
    return whole;
  }

  for (const fold of document.querySelectorAll("details.confused")) {
    const views = data[fold.dataset.labels];
    const choice = fold.querySelector("select");
    const place = fold.querySelector(".plots");
    const show = () => {
      const view = views[choice.selectedIndex];
      place.replaceChildren(matrix(view), distribution(view));
    };
    choice.addEventListener("change", show);
    fold.addEventListener("toggle", () => {
      if (fold.open && !place.firstChild) show();
    });
  }
})();
