// What is looked at: the model, the map, what is chosen; kept in the address.

import { $ } from "./ask.js";
import { short } from "./chart.js";

export let about, chart;
export const state = { row: null, known: null, path: [], base: null, offsets: {}, own: null, fresh: [], seed: 0 };

/** Take what the server told of the model, and the map. */
export function begin(told, map) {
  about = told;
  chart = map;
}

export function codeAt(point) {
  const [a, b] = about.axes, through = $("through").checked && state.known;
  const base = through ? state.known.code : about.centre, [u, v] = through ? [point[0] - state.known.at[0], point[1] - state.known.at[1]] : point;
  return base.map((c, j) => c + u * a[j] + v * b[j]);
}

export function placed(point) { return `${short(point[0])}, ${short(point[1])}`; }

export function marks() {
  const [a, b] = state.path;
  chart.marks = [
    ...(a && b ? [{ at: a.at, to: b.at }] : []),
    ...state.path.map((end, k) => ({ at: end.at, sign: "diamond", words: "AB"[k] })),
    ...state.fresh.map(at => ({ at, sign: "small" })),
    ...(state.known ? [{ at: state.known.at, sign: "ring", words: `row ${state.row}` }] : []),
    ...(state.own ? [{ at: state.own.at, sign: "diamond", words: "yours" }] : []),
  ];
  chart.draw();
}

/** Keep in the address what is looked at, so that a link leads back to it. */
export function keep() {
  const told = new URLSearchParams(), round = v => +v.toPrecision(5);
  told.set("colour", $("colour").value);
  if (state.row !== null) told.set("row", state.row);
  if (chart.mode !== "look") told.set("mode", chart.mode);
  if (chart.view !== chart.whole) told.set("view", chart.view.map(round).join(","));
  if (state.path.length) told.set("path", state.path.map(e => e.row ?? e.at.map(round).join(",")).join(";"));
  if (state.base) told.set("base", state.base);
  const offsets = Object.entries(state.offsets).filter(([, v]) => v);
  if (offsets.length) told.set("units", offsets.map(pair => pair.join(":")).join(","));
  history.replaceState(null, "", `#${told}`);
}
