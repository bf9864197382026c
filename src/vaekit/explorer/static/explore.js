// The page: what hands do on it becomes questions to the model, and their answers become pictures and numbers.

import { Chart, groups, legend, minus, short } from "./chart.js";
import { bars, bytes, element, facts, paint, paintNats, pictures, show, signed, steps, table } from "./looks.js";

const $ = id => document.getElementById(id);
const STEPS = 12;  // of a path
const WALK = [-3, -2.25, -1.5, -0.75, 0, 0.75, 1.5, 2.25, 3], WALKED = 8;  // standard deviations, units of the grid

let about, chart;
const state = { row: null, known: null, path: [], base: null, offsets: {}, own: null, fresh: [], seed: 0 };

// -- questions -------------------------------------------------------------------------------------------------------

async function fetched(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    alarm("The server does not answer: vaekit explore has ended. Start it again and open the address that it prints.");
    throw new Error("gone");
  }
  calm();
  if (answer.ok) return answer;
  const unknown = answer.status === 403 ? "This address is none of the server's. Open the one that vaekit explore printed." : `The server could not answer (${answer.status}).`;
  const told = await answer.json().catch(() => ({ error: unknown }));
  throw new Error(told.error);
}

async function ask(question, asked) {
  return (await fetched(question, { method: "POST", body: JSON.stringify(asked) })).json();
}

/** One question on its way at a time; of those that come meanwhile the last one is asked. */
class Latest {
  constructor(run) { Object.assign(this, { run, busy: false, next: null }); }

  async ask(what) {
    if (this.busy) { this.next = what; return; }
    this.busy = true;
    try {
      await this.run(what);
    } catch (fault) {
      if (fault.message !== "gone") console.warn(fault.message);
    }
    this.busy = false;
    if (this.next !== null) {
      const next = this.next;
      this.next = null;
      this.ask(next);
    }
  }
}

function alarm(words) {
  $("alarm-words").textContent = words;
  $("alarm").hidden = false;
}

function calm() { $("alarm").hidden = true; }

/** Run something for a place of the page, which says so while it waits and where it fails. */
async function into(place, work) {
  place.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (fault) {
    if (fault.message !== "gone") place.replaceChildren(element("p", { className: "fault" }, fault.message));
  }
  place.removeAttribute("aria-busy");
}

// -- codes of points -------------------------------------------------------------------------------------------------

function codeAt(point) {
  const [a, b] = about.axes, through = $("through").checked && state.known;
  const base = through ? state.known.code : about.centre, [u, v] = through ? [point[0] - state.known.at[0], point[1] - state.known.at[1]] : point;
  return base.map((c, j) => c + u * a[j] + v * b[j]);
}

function placed(point) { return `${short(point[0])}, ${short(point[1])}`; }

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

// -- the row ---------------------------------------------------------------------------------------------------------

async function choose(row) {
  state.wanted = row;
  await into($("row"), async () => {
    const known = await ask("row", { row });
    if (state.wanted !== row) return;  // another was chosen meanwhile
    state.known = known;
    state.row = row;
    $("number").value = row;
    $("row").replaceChildren(...aboutRow(state.known, { row }));
    for (const id of ["copy", "from-row"]) $(id).disabled = false;
    $("through-label").hidden = about.latent_dim < 3;
    if (about.kind === "table" && about.columns.length <= 60) edit(state.known.given.cells[0]);
    marks();
    keep();
  });
}

/** Return what is known of a row, the user's own or one of the data; how odd it is comes when it has been asked for. */
function aboutRow(known, asked) {
  const of = known.row === undefined ? "your row" : `row ${known.row}`, odd = element("div", { className: "odd" });
  const figure = (look, words) => element("figure", {}, pictures(look, about, () => `${words}, ${of}`)[0], element("figcaption", {}, words));
  const both = about.kind === "pictures" ? [element("div", { className: "pair" }, figure(known.given, "picture"), figure(known.kept, "what is kept"))] : kept(known);
  tellOdd(odd, asked, of);
  return [...both, facts([...(known.label ? [["label", known.label]] : []), ["lands at", placed(known.at)]]), odd,
    ...(known.near.rows.length ? [element("h3", {}, "Nearest rows"), nearest(known.near)] : [])];
}

function tellOdd(place, asked, of) {
  place.replaceChildren(element("p", { className: "hint" }, "Counting nats…"));
  return into(place, async () => {
    const odd = await ask("odd", asked), head = element("h3", {}, "Why: nats more than usual");
    const why = about.kind === "pictures" ? [element("div", { className: "pair" }, heat(odd.why, of))]
      : [bars([...about.columns.map((c, j) => [c.name, odd.why.values[j]]), ["the code", odd.why.latent]])];
    place.replaceChildren(facts([
      ["log-likelihood", `${minus(odd.nats.toFixed(1))} nats (${minus(odd.bits_per_dim.toFixed(3))} bits a value)`],
      ["as odd as it", `${percent(odd.tail_probability)} of rows held out; ${odd.oddity_nats.toFixed(1)} nats of surprise`],
    ]), head, ...why);
  });
}

function percent(share) { return share < 0.01 ? `${(100 * share).toFixed(2)} %` : `${Math.round(100 * share)} %`; }

function heat(why, of) {
  const nats = new Float32Array(bytes(why.pixels).buffer), total = signed(nats.reduce((a, b) => a + b, 0));
  return element("figure", {}, paintNats(nats, about.shape, `By how many nats each pixel of ${of} is odder than usual: ${total} in all`),
    element("figcaption", {}, `orange more, blue less: ${total} in all, the code ${signed(why.latent)}`));
}

function kept(known) {
  if (about.columns.length > 24) {
    const place = element("div", { className: "look" });
    show(place, known.given, about, "The row's values");
    return [place];
  }
  const [given, back] = [known.given.cells[0], known.kept.cells[0]];
  return [element("div", { className: "wide" }, element("table", {},
    element("thead", {}, element("tr", {}, ...["column", "value", "what is kept"].map(w => element("th", { scope: "col" }, w)))),
    element("tbody", {}, ...about.columns.map((c, j) => element("tr", {}, element("th", { scope: "row" }, c.name),
      element("td", {}, given[j] || "–"), element("td", { className: steps(c) && given[j] !== back[j] ? "changed" : "" }, back[j] || "–"))))))];
}

function nearest(near) {
  const canvases = near.pixels ? pictures(near, about, k => `Row ${near.rows[k]}`) : [];
  return element("div", { className: "strip near" }, ...near.rows.map((row, k) => {
    const button = element("button", { type: "button", title: `distance ${near.distances[k].toFixed(2)}` },
      ...(canvases.length ? [canvases[k]] : []), element("span", {}, canvases.length ? String(row) : `row ${row}`));
    button.addEventListener("click", () => choose(row));
    return button;
  }));
}

// -- a path ----------------------------------------------------------------------------------------------------------

async function mark(point, place) {
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

let playing = null;

function play() {
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

function packed(pixels) { return btoa(pixels.reduce((text, v) => text + String.fromCharCode(v), "")); }

function slice(pixels, k) {
  const size = about.shape[0] * about.shape[1] * about.shape[2];
  return packed(bytes(pixels).subarray(k * size, (k + 1) * size));
}

// -- units -----------------------------------------------------------------------------------------------------------

const made = new Latest(async () => {
  const look = await ask("decode", { z: [slid()] });
  show($("made"), look, about, "What the model makes of the sliders");
});

function base() { return state.base === "row" && state.known ? state.known.code : about.mean; }

function slid() {
  const z = [...base()];
  about.units.forEach(u => { z[u.unit] += (state.offsets[u.unit] ?? 0) * u.std; });
  return z;
}

function sliders() {
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

function start(from) {
  state.base = from;
  state.offsets = {};
  sliders();
  made.ask(true);
  keep();
}

async function traverse() {
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

// -- one of your own: a picture --------------------------------------------------------------------------------------

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

function pad() {
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

function dropped(card, take) {
  card.addEventListener("dragover", e => { e.preventDefault(); card.classList.add("dropping"); });
  card.addEventListener("dragleave", () => card.classList.remove("dropping"));
  card.addEventListener("drop", e => {
    e.preventDefault();
    card.classList.remove("dropping");
    if (e.dataTransfer.files[0]) take(e.dataTransfer.files[0]);
  });
}

// -- one of your own: cells ------------------------------------------------------------------------------------------

let original = [];

function edit(cells) {
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
function entry(column, value, id) {
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

async function rowFile(file) {
  const [names, values] = (await file.text()).trim().split(/\r?\n/).slice(0, 2).map(l => l.split(/[\t;,]/).map(c => c.trim().replace(/^"|"$/g, "")));
  if (!values) {
    $("cells-words").textContent = `${file.name} has no row below its names.`;
    return;
  }
  about.columns.forEach((c, j) => { const k = names.indexOf(c.name); if (k >= 0) $(`cell-${j}`).value = values[k] ?? ""; });
  follow();
}

// -- new rows and sets -----------------------------------------------------------------------------------------------

function conditions() {
  if (about.kind === "pictures" || about.columns.length > 60) return;
  $("given").replaceChildren(...about.columns.map((c, j) => element("label", {}, c.name, entry(c, "", `given-${j}`))));
}

async function draw() {
  await into($("new"), async () => {
    const given = Object.fromEntries(about.columns.flatMap((c, j) => $(`given-${j}`)?.value.trim() ? [[c.name, $(`given-${j}`).value.trim()]] : []));
    const look = await ask("sample", { n: 12, given, seed: state.seed++ });
    state.fresh = look.at;
    $("new").replaceChildren(look.pixels !== undefined
      ? element("div", { className: "strip" }, ...pictures(look, about, k => `New picture ${k + 1}`))
      : table(look, about));
    marks();
  });
}

const counted = new Latest(async outline => {
  const { n } = await ask("inside", { outline });
  $("set-words").textContent = n ? `${n.toLocaleString("en")} of ${about.n.toLocaleString("en")} rows.` : "No row is within the outline.";
  for (const id of ["export-codes", "export-rows"]) $(id).disabled = !n;
});

function outlined(outline) {
  if (outline.length < 3) {
    for (const id of ["export-codes", "export-rows"]) $(id).disabled = true;
    $("set-words").textContent = outline.length ? `${outline.length} corner(s) are set; three make an outline.` : "No rows are chosen.";
  } else counted.ask(outline);
}

async function save(what) {
  try {
    const answer = await fetched("export", { method: "POST", body: JSON.stringify({ what, outline: chart.outline }) });
    const name = answer.headers.get("content-disposition").match(/filename="(.*?)"/)[1], url = URL.createObjectURL(await answer.blob());
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  } catch (fault) {
    if (fault.message !== "gone") $("set-words").textContent = fault.message;
  }
}

// -- marks and state -------------------------------------------------------------------------------------------------

function marks() {
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
function keep() {
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

async function retrace(told) {
  if (!told) return;
  const ends = told.split(";").slice(0, 2).map(end => end.split(",").map(Number));
  if (!ends.flat().every(Number.isFinite)) return;
  const rows = ends.filter(e => e.length === 1).map(e => e[0]), found = rows.length ? await ask("codes", { rows }) : { at: [] };
  state.path = ends.map(e => e.length === 1 ? { row: e[0], at: found.at[rows.indexOf(e[0])] } : { at: e });
  await walk();
}

function mode(name) {
  chart.mode = name;
  document.querySelector(`input[name=mode][value=${name}]`).checked = true;
  $("chart").style.touchAction = name === "lasso" ? "none" : "pan-y";
  const does = { look: "Click a point for its row, drag to move the map", path: "Click two points for the path between them", lasso: "Draw around points" };
  $("map-help").textContent = `${does[name]}; the wheel zooms. Keys: arrows move (with Shift faster), Enter ${name === "lasso" ? "sets a corner" : "clicks"}, + − 0 zoom, Esc clears an outline.`;
}

// -- the beginning ---------------------------------------------------------------------------------------------------

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
  about = await (await fetched("about")).json();
  document.title = `${about.title} – vaekit explore`;
  const rows = about.given ? `${about.n.toLocaleString("en")} rows` : `${about.n.toLocaleString("en")} codes that the model's file keeps: rows are what it makes of them`;
  const drawn = about.n > about.n_drawn ? `, of which ${about.n_drawn.toLocaleString("en")} are drawn as points and all as a density` : "";
  $("summary").textContent = `A ${about.title}, ${about.latent_dim} latent units, ${about.units.length} in use. ${rows}${drawn}.`;
  chart = new Chart($("chart"), {
    moved: (point, place) => { if (playing === null) pointed.ask({ point, place }); },
    clicked: (point, place) => { if (chart.mode === "path") mark(point, place); else if (place >= 0) choose(chart.rows[place]); },
    outlined,
    viewed: () => { marks(); keep(); },
  });
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
