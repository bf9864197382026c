// Units of the code: a slider for each, and a grid of what they do.

import { $, Latest, ask, into } from "./ask.js";
import { about, keep, state } from "./state.js";
import { element, pictures, show } from "./looks.js";
import { minus } from "./chart.js";

const WALK = [-3, -2.25, -1.5, -0.75, 0, 0.75, 1.5, 2.25, 3], WALKED = 8;  // standard deviations, units of the grid

export const made = new Latest(async () => {
  const look = await ask("decode", { z: [slid()] });
  show($("made"), look, about, "What the model makes of the sliders");
});

function base() { return state.base === "row" && state.known ? state.known.code : about.mean; }

function slid() {
  const z = [...base()];
  about.units.forEach(u => { z[u.unit] += (state.offsets[u.unit] ?? 0) * u.std; });
  return z;
}

export function sliders() {
  if (!about.units.length) {
    $("units").replaceChildren(element("p", { className: "empty" }, "No unit is in use: all rows have the same code."));
    return;
  }
  $("units").replaceChildren(...about.units.map(u => {
    const out = element("output", {}, "0.0"), id = `unit-${u.unit}`;
    const slider = element("input", { type: "range", min: -3, max: 3, step: 0.05, value: state.offsets[u.unit] ?? 0, id });
    const say = () => { out.textContent = minus(Number(slider.value).toFixed(1)); slider.setAttribute("aria-valuetext", `${out.textContent} standard deviations`); };
    slider.addEventListener("input", () => { state.offsets[u.unit] = Number(slider.value); say(); made.ask(true); keep(); });
    say();
    return element("div", { className: "unit" }, element("label", { htmlFor: id }, `unit ${u.unit} `, element("small", {}, `${u.kl_nats.toFixed(2)} nats`)), slider, out);
  }));
}

export function start(from) {
  state.base = from;
  state.offsets = {};
  sliders();
  made.ask(true);
  keep();
}

export async function traverse() {
  await into($("grid"), async () => {
    const units = about.units.slice(0, WALKED), z = units.flatMap(u => WALK.map(s => base().map((v, j) => j === u.unit ? v + s * u.std : v)));
    const look = await ask("decode", { z });
    if (look.pixels === undefined) {
      const ends = units.map((u, i) => [look.cells[i * WALK.length], look.cells[(i + 1) * WALK.length - 1]]);
      $("grid").replaceChildren(element("table", {},
        element("thead", {}, element("tr", {}, ...["unit", "from −3 to 3 standard deviations"].map(w => element("th", { scope: "col" }, w)))),
        element("tbody", {}, ...ends.map(([low, high], i) => element("tr", {}, element("th", { scope: "row" }, String(units[i].unit)), element("td", {}, moved(low, high)))))));
      return;
    }
    const canvases = pictures(look, about, k => `Unit ${units[Math.floor(k / WALK.length)].unit} at ${WALK[k % WALK.length]} standard deviations`);
    $("grid").replaceChildren(element("table", { className: "look" }, element("tbody", {}, ...units.map((u, i) =>
      element("tr", {}, element("th", { scope: "row" }, `unit ${u.unit}`), ...canvases.slice(i * WALK.length, (i + 1) * WALK.length).map(c => {
        c.style.width = "2.6rem";
        return element("td", {}, c);
      }))))));
  });
}

function moved(low, high) {
  const words = about.columns.flatMap((c, j) => low[j] === high[j] ? [] : [`${c.name} ${low[j]} → ${high[j]}`]);
  return words.slice(0, 6).join(", ") || "nothing changes";
}
