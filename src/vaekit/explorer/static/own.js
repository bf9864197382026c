// One of your own: a picture that is drawn or dropped, or a row whose cells are changed.

import { $, Latest, ask, into } from "./ask.js";
import { about, marks, state } from "./state.js";
import { aboutRow } from "./row.js";
import { bytes, element, packed, paint } from "./looks.js";

const own = new Latest(async pixels => {
  await into($("own-answer"), async () => {
    const asked = { pixels: packed(pixels) };
    state.own = await ask("place", asked);
    $("own-answer").replaceChildren(...aboutRow(state.own, asked));
    marks();
  });
});

function padPixels() {
  const [height, width, channels] = about.shape, image = $("pad").getContext("2d").getImageData(0, 0, width, height).data;
  const pixels = new Uint8Array(height * width * channels);
  for (let i = 0; i < height * width; i++) {
    const [r, g, b] = image.slice(4 * i, 4 * i + 3);
    if (channels < 3) pixels[i * channels] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
    else for (let c = 0; c < channels; c++) pixels[i * channels + c] = c < 3 ? [r, g, b][c] : 255;
  }
  return pixels;
}

function clearPad() {
  const pen = $("pad").getContext("2d");
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, about.shape[1], about.shape[0]);
}

export function pad() {
  const canvas = $("pad"), pen = canvas.getContext("2d", { willReadFrequently: true });
  [canvas.height, canvas.width] = about.shape;
  clearPad();
  let last = null;
  const at = e => { const box = canvas.getBoundingClientRect(); return [(e.clientX - box.left) / box.width * canvas.width, (e.clientY - box.top) / box.height * canvas.height]; };
  canvas.addEventListener("pointerdown", e => { last = at(e); canvas.setPointerCapture(e.pointerId); stroke(e); });
  canvas.addEventListener("pointermove", e => { if (last) stroke(e); });
  canvas.addEventListener("pointerup", () => { last = null; own.ask(padPixels()); });
  function stroke(e) {
    const here = at(e);
    pen.strokeStyle = "#fff";
    pen.lineCap = "round";
    pen.lineWidth = Math.max(canvas.width / 12, 1);
    pen.beginPath();
    pen.moveTo(...last);
    pen.lineTo(here[0] + 0.01, here[1]);
    pen.stroke();
    last = here;
  }
  $("clear").addEventListener("click", () => {
    clearPad();
    state.own = null;
    $("own-answer").replaceChildren(element("p", { className: "empty" }, "Where it lands, what is kept of it and how odd it is."));
    marks();
  });
  $("copy").addEventListener("click", () => { paint(canvas, bytes(state.known.given.pixels), 0, about.shape); own.ask(padPixels()); });
  $("file").addEventListener("change", e => e.target.files[0] && picture(e.target.files[0]));
  dropped($("own-card"), picture);
}

async function picture(file) {
  const [height, width] = about.shape;
  try {
    const image = await createImageBitmap(file, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
    clearPad();
    $("pad").getContext("2d").drawImage(image, 0, 0);
  } catch {
    $("own-answer").replaceChildren(element("p", { className: "fault" }, `${file.name} is no picture that this browser reads. Give a PNG or JPEG.`));
    return;
  }
  own.ask(padPixels());
}

export function dropped(card, take) {
  card.addEventListener("dragover", e => { e.preventDefault(); card.classList.add("dropping"); });
  card.addEventListener("dragleave", () => card.classList.remove("dropping"));
  card.addEventListener("drop", e => {
    e.preventDefault();
    card.classList.remove("dropping");
    if (e.dataTransfer.files[0]) take(e.dataTransfer.files[0]);
  });
}

// -- cells -----------------------------------------------------------------------------------------------------------

let original = [];

export function edit(cells) {
  original = cells;
  const head = ["column", "value", "expected", "after"];
  $("cells").replaceChildren(element("table", {},
    element("thead", {}, element("tr", {}, ...head.map(w => element("th", { scope: "col" }, w)))),
    element("tbody", {}, ...about.columns.map((c, j) => {
      const input = entry(c, cells[j], `cell-${j}`);
      input.addEventListener("change", () => follow());
      return element("tr", {}, element("th", { scope: "row" }, element("label", { htmlFor: `cell-${j}` }, c.name)),
        element("td", {}, input), element("td", { id: `before-${j}` }, ""), element("td", { id: `after-${j}` }, ""));
    }))));
  $("cells-words").textContent = "";
  $("cells-answer").replaceChildren();
}

/** Return an input for a cell: a list of categories, or a field for a text. */
export function entry(column, value, id) {
  if (!column.choices) return element("input", { id, value, autocomplete: "off" });
  const options = ["", ...column.choices].map(c => element("option", { value: c }, c || "–"));
  const input = element("select", { id }, ...options);
  input.value = value;
  return input;
}

function edited() { return about.columns.map((_, j) => $(`cell-${j}`).value.trim()); }

async function follow() {
  const now = edited();
  $("cells-words").textContent = "…";
  try {
    const { before, after } = await ask("fill", { cells: original, edited: now });
    let followed = 0;
    about.columns.forEach((_, j) => {
      $(`before-${j}`).textContent = before[j];
      $(`after-${j}`).textContent = after[j];
      const changes = before[j] !== after[j];
      followed += changes;
      $(`after-${j}`).className = changes ? "changed" : "";
    });
    $("cells-words").textContent = `${followed} of ${about.columns.length} would be expected to differ.`;
    state.own = await ask("place", { cells: now });
    $("cells-answer").replaceChildren(element("h3", {}, "Your row"), ...aboutRow(state.own, { cells: now }));
    marks();
  } catch (fault) {
    if (fault.message !== "gone") $("cells-words").replaceChildren(element("span", { className: "fault" }, fault.message));
  }
}

export async function rowFile(file) {
  const [names, values] = (await file.text()).trim().split(/\r?\n/).slice(0, 2).map(l => l.split(/[\t;,]/).map(c => c.trim().replace(/^"|"$/g, "")));
  if (!values) {
    $("cells-words").textContent = `${file.name} has no row below its names.`;
    return;
  }
  about.columns.forEach((c, j) => { const k = names.indexOf(c.name); if (k >= 0) $(`cell-${j}`).value = values[k] ?? ""; });
  follow();
}
