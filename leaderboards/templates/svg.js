"use strict";
// Drawing by hand: an element with its attributes, a captioned figure.
const svg = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  function draw(name, attributes, parent, text) {
    const part = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
    if (text !== undefined) part.textContent = text;
    parent.append(part);
    return part;
  }

  function figure(caption, width, height) {
    const whole = document.createElement("figure");
    const words = document.createElement("figcaption");
    words.textContent = caption;
    whole.append(words);
    const plot = draw("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": caption }, whole);
    return [whole, plot];
  }

  return { draw, figure };
})();
