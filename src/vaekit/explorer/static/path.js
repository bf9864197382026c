// The path between two points, as a strip or played.

import { $, ask, into } from "./ask.js";
import { about, chart, codeAt, keep, marks, state } from "./state.js";
import { bytes, element, packed, pictures, show, table } from "./looks.js";

const STEPS = 12;  // of a path

export async function mark(point, place) {
  if (state.path.length > 1) state.path = [];
  state.path.push(place < 0 ? { at: point } : { at: [chart.x[place], chart.y[place]], row: chart.rows[place] });
  await walk();
}

async function walk() {
  marks();
  keep();
  if (state.path.length < 2) {
    $("path").replaceChildren(element("p", { className: "empty" }, "One end is set. Click the other."));
    return;
  }
  await into($("path"), async () => {
    const ends = await Promise.all(state.path.map(async end => end.row === undefined ? codeAt(end.at) : (await ask("codes", { rows: [end.row] })).codes[0]));
    const share = Array.from({ length: STEPS }, (_, k) => k / (STEPS - 1));
    state.walked = await ask("decode", { z: share.map(t => ends[0].map((v, j) => (1 - t) * v + t * ends[1][j])) });
    const words = k => `Step ${k + 1} of ${STEPS}`;
    $("path").replaceChildren(state.walked.pixels !== undefined
      ? element("div", { className: "strip" }, ...pictures(state.walked, about, words))
      : element("div", { className: "wide" }, table(state.walked, about, { changes: true, head: share.map((_, k) => k + 1) })));
    $("play").disabled = false;
  });
}

export let playing = null;

export function play() {
  if (playing !== null) return stop();
  let step = 0, by = 1;
  const frames = () => $("path").querySelectorAll("canvas, tbody tr");
  const frame = () => {
    const all = frames();
    all.forEach((f, k) => f.classList.toggle("on", k === step));
    const look = state.walked.pixels !== undefined ? { pixels: slice(state.walked.pixels, step) } : { cells: [state.walked.cells[step]] };
    show($("pointer"), look, about, `Step ${step + 1} of the path`);
    $("pointer-words").textContent = `step ${step + 1} of ${STEPS} of the path`;
    if (step + by < 0 || step + by >= STEPS) by = -by;
    step += by;
  };
  playing = setInterval(frame, 180);
  $("play").setAttribute("aria-pressed", "true");
  $("play").textContent = "Stop";
  frame();
}

function stop() {
  clearInterval(playing);
  playing = null;
  $("play").setAttribute("aria-pressed", "false");
  $("play").textContent = "Play";
  $("path").querySelectorAll(".on").forEach(f => f.classList.remove("on"));
}

function slice(pixels, k) {
  const size = about.shape[0] * about.shape[1] * about.shape[2];
  return packed(bytes(pixels).subarray(k * size, (k + 1) * size));
}

export async function retrace(told) {
  if (!told) return;
  const ends = told.split(";").slice(0, 2).map(end => end.split(",").map(Number));
  if (!ends.flat().every(Number.isFinite)) return;
  const rows = ends.filter(e => e.length === 1).map(e => e[0]), found = rows.length ? await ask("codes", { rows }) : { at: [] };
  state.path = ends.map(e => e.length === 1 ? { row: e[0], at: found.at[rows.indexOf(e[0])] } : { at: e });
  await walk();
}
