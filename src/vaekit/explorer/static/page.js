// The page that stands alone: the map, and under the pointer the nearest point of the grid.

import { Chart, groups, legend, short } from "./chart.js";
import { bytes, element, show } from "./looks.js";

const $ = id => document.getElementById(id);
const about = JSON.parse($("told").textContent), { grid } = about;
const floats = text => new Float32Array(bytes(text).buffer);
const atlas = new Image();

function moved(point, place) {
  const [x0, x1, y0, y1] = about.box, last = grid.across - 1;
  const cell = share => Math.min(Math.max(Math.floor(share * grid.across), 0), last);
  const column = cell((point[0] - x0) / (x1 - x0)), line = cell((y1 - point[1]) / (y1 - y0 || 1));
  const words = `What the model makes near ${short(point[0])}, ${short(point[1])}`;
  if (grid.png) crop(column, line, words);
  else show($("pointer"), { cells: [grid.cells[line * grid.across + column]] }, about, words);
  $("pointer-words").textContent = `${short(point[0])}, ${short(point[1])}${place < 0 ? "" : ` · row ${chart.rows[place]}`}`;
}

function crop(column, line, words) {
  const [height, width] = about.shape;
  let canvas = $("pointer").querySelector("canvas");
  if (!canvas) $("pointer").replaceChildren(canvas = element("canvas", { width, height, role: "img" }));
  canvas.setAttribute("aria-label", words);
  canvas.getContext("2d").drawImage(atlas, column * (width + grid.gap), line * (height + grid.gap), width, height, 0, 0, width, height);
}

function colour() {
  const found = about.found[$("colour").value];
  chart.colours = groups(found);
  $("legend").replaceChildren(...legend(found, $("colour").value));
  chart.redraw();
}

const chart = new Chart($("chart"), { moved, clicked() {}, outlined() {}, viewed() {} });
chart.fill(floats(about.points), about.box, about.axis_names, about.density && floats(about.density), about.bins);
document.title = about.title;
$("summary").textContent = `A ${about.title}, ${about.latent_dim} latent units, ${about.units.length} in use; ${about.n.toLocaleString("en")} rows.`;
const names = Object.keys(about.found);
$("colour").replaceChildren(...names.map(name => element("option", { value: name }, name)));
$("colour-field").hidden = !names.length;
if (names.includes(about.colour)) $("colour").value = about.colour;
if (names.length) colour();
$("colour").addEventListener("change", colour);
$("nearer").addEventListener("click", () => chart.zoom(0.7));
$("farther").addEventListener("click", () => chart.zoom(1 / 0.7));
$("whole").addEventListener("click", () => chart.look(chart.whole));
if (grid.png) {
  atlas.src = $("whole-grid").src = `data:image/png;base64,${grid.png}`;
  $("grid-card").hidden = false;
}
document.body.dataset.ready = "true";
