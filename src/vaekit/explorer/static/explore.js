// The page: what hands do on it becomes questions to the model, and their answers become pictures and numbers.

import { $, Latest, alarm, ask, fetched } from "./ask.js";
import { Chart, groups, legend, short } from "./chart.js";
import { about, begin, chart, codeAt, keep, marks, placed, state } from "./state.js";
import { choose } from "./row.js";
import { conditions, draw, outlined, save } from "./sets.js";
import { dropped, edit, pad, rowFile } from "./own.js";
import { element, show } from "./looks.js";
import { made, sliders, start, traverse } from "./units.js";
import { mark, play, playing, retrace } from "./path.js";

// -- under the pointer -----------------------------------------------------------------------------------------------

const pointed = new Latest(async ({ point, place }) => {
  const began = performance.now(), look = await ask("decode", { z: [codeAt(point)] });
  const near = place < 0 ? "" : ` · row ${chart.rows[place]}${classOf(place)}`;
  show($("pointer"), look, about, `What the model makes at ${placed(point)}`);
  $("pointer-words").textContent = `${placed(point)}${near} · ${Math.round(performance.now() - began)} ms`;
});

function classOf(place) {
  const found = state.colours;
  if (!found) return "";
  const v = found.values[place];
  return found.names ? (v < 0 ? "" : `, ${found.names[v]}`) : v === null ? "" : `, ${short(v)}`;
}

// -- colours ---------------------------------------------------------------------------------------------------------

async function colour(by) {
  waiting(`Colouring by ${by}…`);
  const watch = setInterval(async () => {
    const { share } = await (await fetched("progress")).json().catch(() => ({ share: 0 }));
    if (share > 0 && share < 1) waiting(`Scoring ${about.n_drawn.toLocaleString("en")} rows: ${Math.round(share * 100)} %`);
  }, 400);
  try {
    state.colours = await ask("colour", { by });
    chart.colours = groups(state.colours);
    chart.redraw();
    $("legend").replaceChildren(...legend(state.colours, by));
  } catch (fault) {
    $("legend").replaceChildren(element("span", { className: "fault" }, fault.message));
  }
  clearInterval(watch);
  waiting(null);
}

function waiting(words) {
  $("chart-wait").hidden = words === null;
  if (words !== null) $("wait-words").textContent = words;
}

// -- the beginning ---------------------------------------------------------------------------------------------------

function mode(name) {
  chart.mode = name;
  document.querySelector(`input[name=mode][value=${name}]`).checked = true;
  $("chart").style.touchAction = name === "lasso" ? "none" : "pan-y";
  const does = { look: "Click a point for its row, drag to move the map", path: "Click two points for the path between them", lasso: "Draw around points" };
  $("map-help").textContent = `${does[name]}; the wheel zooms. Keys: arrows move (with Shift faster), Enter ${name === "lasso" ? "sets a corner" : "clicks"}, + − 0 zoom, Esc clears an outline.`;
}

async function restore() {
  const told = new URLSearchParams(location.hash.slice(1)), numbers = text => text.split(",").map(Number);
  if (about.colours.includes(told.get("colour"))) $("colour").value = told.get("colour");
  const view = numbers(told.get("view") ?? "");
  if (view.length === 4 && view.every(Number.isFinite) && view[0] < view[1] && view[2] < view[3]) chart.view = view;
  mode(["look", "path", "lasso"].find(m => m === told.get("mode")) ?? "look");
  const row = Number(told.get("row") ?? NaN);
  if (Number.isInteger(row) && row >= 0 && row < about.n) await choose(row);
  state.base = told.get("base");
  for (const part of (told.get("units") ?? "").split(",")) {
    const [unit, value] = part.split(":").map(Number);
    if (Number.isFinite(value)) state.offsets[unit] = value;
  }
  await retrace(told.get("path"));
}

function listen() {
  $("colour").addEventListener("change", () => { colour($("colour").value); keep(); });
  document.querySelectorAll("input[name=mode]").forEach(r => r.addEventListener("change", () => { mode(r.value); keep(); }));
  $("nearer").addEventListener("click", () => chart.zoom(0.7));
  $("farther").addEventListener("click", () => chart.zoom(1 / 0.7));
  $("whole").addEventListener("click", () => chart.look(chart.whole));
  $("go").addEventListener("submit", e => { e.preventDefault(); if ($("number").value !== "") choose(Number($("number").value)); });
  $("play").addEventListener("click", play);
  $("mean").addEventListener("click", () => start("mean"));
  $("from-row").addEventListener("click", () => start("row"));
  $("traverse").addEventListener("click", traverse);
  $("draw").addEventListener("click", draw);
  $("export-codes").addEventListener("click", () => save("codes"));
  $("export-rows").addEventListener("click", () => save("rows"));
  $("in-view").addEventListener("click", () => {
    const [x0, x1, y0, y1] = chart.view;
    chart.outline = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
    chart.close();
  });
  $("again").addEventListener("click", () => location.reload());
  $("cells").addEventListener("submit", e => e.preventDefault());
  $("given").addEventListener("submit", e => { e.preventDefault(); draw(); });
}

async function open() {
  begin(await (await fetched("about")).json(), new Chart($("chart"), {
    moved: (point, place) => { if (playing === null) pointed.ask({ point, place }); },
    clicked: (point, place) => { if (chart.mode === "path") mark(point, place); else if (place >= 0) choose(chart.rows[place]); },
    outlined,
    viewed: () => { marks(); keep(); },
  }));
  document.title = `${about.title} – vaekit explore`;
  const rows = about.given ? `${about.n.toLocaleString("en")} rows` : `${about.n.toLocaleString("en")} codes that the model's file keeps: rows are what it makes of them`;
  const drawn = about.n > about.n_drawn ? `, of which ${about.n_drawn.toLocaleString("en")} are drawn as points and all as a density` : "";
  $("summary").textContent = `A ${about.title}, ${about.latent_dim} latent units, ${about.units.length} in use. ${rows}${drawn}.`;
  const points = new Float32Array(await (await fetched("points")).arrayBuffer());
  const density = about.n > about.n_drawn ? new Float32Array(await (await fetched("density")).arrayBuffer()) : null;
  chart.fill(points, about.box, about.axis_names, density, about.bins);
  $("colour").replaceChildren(...about.colours.map(name => element("option", { value: name }, name)));
  $("colour").value = about.colour;
  $(about.kind === "pictures" ? "own-picture" : "own-table").hidden = false;
  if (about.kind === "pictures") pad();
  else {
    dropped($("own-card"), rowFile);
    if (about.columns.length <= 60) edit(about.columns.map(() => ""));
  }
  conditions();
  listen();
  await restore();
  chart.redraw();
  sliders();
  made.ask(true);
  $("main").removeAttribute("aria-busy");
  await colour($("colour").value);
  document.body.dataset.ready = "true";
}

open().catch(fault => {
  waiting(null);
  if (fault.message !== "gone") alarm(fault.message);
  $("summary").textContent = "The page could not be opened.";
});
