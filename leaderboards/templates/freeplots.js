"use strict";
// Any two metrics, or cost, against each other; and paired differences from the best.
(() => {
  const { draw, figure } = svg;
  const data = JSON.parse(document.getElementById("data").textContent).plots;
  const WIDTH = 460;
  const HEIGHT = 360;
  const LETTER = 6.1;
  const LONGEST = 22;
  const short = (name) => (name.length <= LONGEST ? name : name.slice(0, LONGEST - 1) + "…");
  const SHAPES = {
    floor: (x, y) => `M${x - 5.5} ${y - 4.5}h11l-5.5 9.5z`,
    human: (x, y) => `M${x} ${y - 6}l6 6-6 6-6-6z`,
    baseline: (x, y) => `M${x - 4.2} ${y - 4.2}h8.4v8.4h-8.4z`,
    model: (x, y) => `M${x - 4.6} ${y}a4.6 4.6 0 1 0 9.2 0a4.6 4.6 0 1 0-9.2 0z`,
  };

  const mark = (row, x, y, parent) =>
    draw("path", { class: "mark " + row.kind, d: (SHAPES[row.kind] || SHAPES.model)(x, y) }, parent);

  function tidy(value) {
    for (const [size, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
      if (Math.abs(value) >= size) return Number((value / size).toPrecision(3)) + letter;
    }
    return minus(String(Number(value.toPrecision(3))));
  }
  const minus = (text) => text.replace("-", "−");
  const shown = (axis, value) => (axis.cost ? tidy(value) : minus(value.toFixed(axis.decimals)));

  function steps(low, high) {
    const raw = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 2.5, 5, 10].find((m) => m * power >= raw * 0.999);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(i * step);
    return found;
  }

  // From values to places between start and end; costs on a logarithmic scale.
  function scale(axis, ends, start, end) {
    const bend = axis.cost ? Math.log10 : (value) => value;
    let low = bend(Math.min(...ends));
    let high = bend(Math.max(...ends));
    const air = 0.08 * (high - low || Math.abs(high) || 1);
    low = !axis.cost && low >= 0 && low < 0.5 * high ? 0 : low - air;
    high += air;
    const place = (value) => start + ((end - start) * (bend(value) - low)) / (high - low);
    let marks = steps(low, high);
    if (axis.cost) {
      const decades = Math.ceil((high - low) / 6);
      marks = [];
      for (let i = Math.ceil(low); i <= high; i += decades) marks.push(10 ** i);
      if (marks.length < 2) marks = steps(10 ** low, 10 ** high).filter((value) => value > 0);
    }
    return { place, marks };
  }

  const title = (axis) =>
    axis.label + (axis.unit ? ` (${axis.unit})` : "") + (axis.cost ? ", logarithmic" : axis.better ? ` ${axis.arrow} ${axis.better}` : "");

  // For each point the label place that covers least of what is there already.
  function labels(points) {
    const taken = points.map(([, x, y]) => [x - 6, y - 6, x + 6, y + 6]);
    const over = (a, b) => Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
    return points.map(([row, x, y], own) => {
      const width = short(row.name).length * LETTER;
      const places = [[x + 10, y + 4, "start"], [x - 10, y + 4, "end"], [x, y - 11, "middle"], [x, y + 19, "middle"], [x + 8, y - 14, "start"], [x - 8, y + 24, "end"]];
      const cost = ([lx, ly, anchor], order) => {
        const left = lx - width * { start: 0, middle: 0.5, end: 1 }[anchor];
        const box = [left, ly - 10, left + width, ly + 3];
        const outside = Math.max(0, 56 - box[0]) + Math.max(0, box[2] - WIDTH + 4) + Math.max(0, 8 - box[1]) + Math.max(0, box[3] - HEIGHT + 52);
        return { box, sum: 1000 * outside + taken.reduce((sum, other, i) => sum + (i === own ? 0 : over(box, other)), 0) + order * 0.01 };
      };
      const found = places.map(cost);
      const best = found.indexOf(found.reduce((a, b) => (b.sum < a.sum ? b : a)));
      // Two names in one place tell nothing; the mark says its name when pointed at.
      if (found[best].sum > 80) return null;
      taken.push(found[best].box);
      return places[best];
    });
  }

  function cloud(table, across, up) {
    const [xAxis, yAxis] = [table.axes[across], table.axes[up]];
    const rows = table.rows.filter((row) => row.at[across] && row.at[up]);
    const caption = `${xAxis.label} and ${yAxis.label} of ${rows.length} of ${table.rows.length} rows, whiskers where there are intervals.`;
    const [whole, plot] = figure(caption, WIDTH, HEIGHT);
    if (!rows.length) return whole;
    const ends = (i) => rows.flatMap((row) => row.at[i].filter((value) => value !== null));
    const [left, right, top, base] = [56, WIDTH - 20, 16, HEIGHT - 50];
    const x = scale(xAxis, ends(across), left, right);
    const y = scale(yAxis, ends(up), base, top);
    for (const value of x.marks) {
      draw("path", { class: "grid", d: `M${x.place(value)} ${top}V${base}` }, plot);
      draw("text", { class: "tick", x: x.place(value), y: base + 16, "text-anchor": "middle" }, plot, tidy(value));
    }
    for (const value of y.marks) {
      draw("path", { class: "grid", d: `M${left} ${y.place(value)}H${right}` }, plot);
      draw("text", { class: "tick", x: left - 7, y: y.place(value) + 4, "text-anchor": "end" }, plot, tidy(value));
    }
    draw("path", { class: "axis", d: `M${left} ${top}V${base}H${right}` }, plot);
    draw("text", { class: "title", x: (left + right) / 2, y: base + 36, "text-anchor": "middle" }, plot, title(xAxis));
    draw("text", { class: "title", transform: `translate(14 ${(top + base) / 2}) rotate(-90)`, "text-anchor": "middle" }, plot, title(yAxis));
    const points = rows.map((row) => [row, x.place(row.at[across][0]), y.place(row.at[up][0])]);
    for (const [row, px, py] of points) {
      const [wide, tall] = [row.at[across], row.at[up]];
      if (wide[1] !== null) draw("path", { class: "whisker", d: `M${x.place(wide[1])} ${py}H${x.place(wide[2])}` }, plot);
      if (tall[1] !== null) draw("path", { class: "whisker", d: `M${px} ${y.place(tall[1])}V${y.place(tall[2])}` }, plot);
    }
    labels(points).forEach((place, i) => {
      const [row, px, py] = points[i];
      const group = draw("g", {}, plot);
      draw("title", {}, group, `${row.name}: ${xAxis.label} ${shown(xAxis, row.at[across][0])}, ${yAxis.label} ${shown(yAxis, row.at[up][0])}`);
      mark(row, px, py, group);
      if (place) draw("text", { class: "label " + row.kind, x: place[0], y: place[1], "text-anchor": place[2] }, group, short(row.name));
    });
    return whole;
  }

  function gaps(table, index) {
    const axis = table.axes[index];
    const best = table.rows.find((row) => row.behind[index] === "best");
    const rows = table.rows.filter((row) => Array.isArray(row.behind[index]));
    if (!best || !rows.length) return null;
    rows.sort((a, b) => (axis.arrow === "↓" ? 1 : -1) * (a.behind[index][0] - b.behind[index][0]));
    const [left, right, step] = [164, WIDTH - 72, 26];
    const base = 12 + step * rows.length;
    const [whole, plot] = figure(
      `${axis.label}: each model minus ${best.name}, the first by value, on the same dialogues, with the paired 95 % interval. What crosses nought may be a tie.`,
      WIDTH, base + 46);
    const x = scale({ ...axis, cost: false }, [0, ...rows.flatMap((row) => row.behind[index])], left, right);
    for (const value of x.marks) {
      draw("path", { class: "grid", d: `M${x.place(value)} 8V${base}` }, plot);
      draw("text", { class: "tick", x: x.place(value), y: base + 16, "text-anchor": "middle" }, plot, tidy(value));
    }
    draw("path", { class: "axis", d: `M${left} ${base}H${right}` }, plot);
    draw("path", { class: "floorline", d: `M${x.place(0)} 8V${base}` }, plot);
    draw("text", { class: "title", x: (left + right) / 2, y: base + 35, "text-anchor": "middle" }, plot, `difference in ${axis.label}${axis.unit ? ` (${axis.unit})` : ""}`);
    rows.forEach((row, i) => {
      const [value, low, high] = row.behind[index];
      const y = 12 + step * (i + 0.5);
      const group = draw("g", {}, plot);
      draw("title", {}, group, `${row.name} minus ${best.name}: ${shown(axis, value)}, interval ${shown(axis, low)} to ${shown(axis, high)}`);
      draw("text", { class: "label", x: left - 14, y: y + 4, "text-anchor": "end" }, group, short(row.name));
      draw("path", { class: "whisker", d: `M${x.place(low)} ${y}H${x.place(high)}` }, group);
      mark(row, x.place(value), y, group);
      draw("text", { class: "value", x: WIDTH - 4, y: y + 4, "text-anchor": "end" }, group, shown(axis, value));
    });
    return whole;
  }

  for (const fold of document.querySelectorAll("details.freeplots")) {
    const table = data[fold.dataset.plots];
    const [across, up] = fold.querySelectorAll("select");
    const place = fold.querySelector(".plots");
    for (const select of [across, up]) {
      select.append(...table.axes.map((axis, i) => new Option(axis.label, i)));
    }
    const cost = table.axes.findIndex((axis) => axis.cost);
    across.value = cost >= 0 ? cost : 1;
    up.value = 0;
    const show = () => {
      const found = [cloud(table, Number(across.value), Number(up.value))];
      const difference = table.axes[up.value].cost ? null : gaps(table, Number(up.value));
      if (difference) found.push(difference);
      place.replaceChildren(...found);
    };
    for (const select of [across, up]) select.addEventListener("change", show);
    fold.addEventListener("toggle", () => {
      if (fold.open && !place.firstChild) show();
    });
  }
})();
