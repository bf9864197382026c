// Rows as people see them: a picture on a canvas, a table of cells, or a line of many values.

const MOST_CELLS = 24;  // beyond which a row is drawn as a line

export function bytes(text) { return Uint8Array.from(atob(text), c => c.charCodeAt(0)); }

/** Return bytes as base64. */
export function packed(pixels) { return btoa(pixels.reduce((text, v) => text + String.fromCharCode(v), "")); }

export function element(tag, known = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(known)) {
    if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...inside);
  return made;
}

/** Return how many rows a look holds. */
export function count(look, about) {
  return look.cells ? look.cells.length : bytes(look.pixels).length / (about.shape[0] * about.shape[1] * about.shape[2]);
}

/** Paint one picture of bytes [n, H, W, channels] on a canvas of its own size. */
export function paint(canvas, pixels, k, [height, width, channels]) {
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d"), image = pen.createImageData(width, height), size = height * width;
  for (let i = 0; i < size; i++) {
    const at = (k * size + i) * channels, grey = channels < 3;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[at + (grey ? 0 : c)];
    image.data[4 * i + 3] = channels === 4 ? pixels[at + 3] : 255;
  }
  pen.putImageData(image, 0, 0);
  return canvas;
}

/** Return pictures of a look, each with words in its place. */
export function pictures(look, about, words) {
  const pixels = bytes(look.pixels), n = count(look, about);
  return Array.from({ length: n }, (_, k) => {
    const canvas = element("canvas", { role: "img", "aria-label": words(k) });
    return paint(canvas, pixels, k, about.shape);
  });
}

/** Show the first row of a look in a place; a canvas that is there already is painted anew. */
export function show(place, look, about, words) {
  if (look.pixels !== undefined) {
    let canvas = place.querySelector("canvas");
    if (!canvas) place.replaceChildren(canvas = element("canvas", { role: "img" }));
    canvas.setAttribute("aria-label", words);
    paint(canvas, bytes(look.pixels), 0, about.shape);
  } else if (about.columns.length > MOST_CELLS) place.replaceChildren(profile(look.cells[0], words));
  else place.replaceChildren(facts(about.columns.map((c, j) => [c.name, look.cells[0][j] || "–"])));
}

export function facts(pairs) {
  return element("dl", { className: "facts" }, ...pairs.flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, value)]));
}

/** Return many values as a line. */
function profile(cells, words) {
  const canvas = element("canvas", { width: 480, height: 160, role: "img", "aria-label": words });
  const values = cells.map(Number), low = Math.min(...values), high = Math.max(...values), pen = canvas.getContext("2d");
  canvas.style.background = "transparent";
  pen.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--mark");
  pen.lineWidth = 2;
  pen.beginPath();
  values.forEach((v, k) => pen[k ? "lineTo" : "moveTo"](k / (values.length - 1) * 470 + 5, 150 - (v - low) / (high - low || 1) * 140));
  pen.stroke();
  return canvas;
}

/** Whether a column has values of which one is another thing, not only a little more: these are marked. */
export function steps(column) { return column.choices !== null || column.kind === "binary"; }

/** Return rows of cells as a table; cells that differ from the row before are marked where asked. */
export function table(look, about, { changes = false, head = null } = {}) {
  const columns = about.columns.slice(0, MOST_CELLS);
  const lines = look.cells.map((row, i) => element("tr", {}, ...(head ? [element("th", { scope: "row" }, head[i])] : []),
    ...columns.map((_, j) => element("td", { className: changes && steps(columns[j]) && i && row[j] !== look.cells[i - 1][j] ? "changed" : "" }, row[j] || "–"))));
  return element("table", {},
    element("thead", {}, element("tr", {}, ...(head ? [element("td")] : []), ...columns.map(c => element("th", { scope: "col" }, c.name)))),
    element("tbody", {}, ...lines));
}

/** Paint by how many nats each pixel is odder than usual: orange more, blue less. */
export function paintNats(nats, [height, width], words) {
  const canvas = element("canvas", { width, height, role: "img", "aria-label": words });
  const pen = canvas.getContext("2d"), image = pen.createImageData(width, height);
  const most = nats.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9);
  nats.forEach((v, i) => image.data.set([...(v > 0 ? [240, 140, 60] : [90, 160, 240]), Math.round(255 * Math.sqrt(Math.abs(v) / most))], 4 * i));
  pen.putImageData(image, 0, 0);
  return canvas;
}

/** Return the parts that are most above the usual as bars. */
export function bars(pairs, most = 8) {
  const shown = [...pairs].sort((a, b) => b[1] - a[1]).slice(0, most), largest = Math.max(...shown.map(p => Math.abs(p[1])), 1e-9);
  const made = element("div", { className: "bars" });
  for (const [name, nats] of shown) {
    const bar = element("b", { className: nats < 0 ? "less" : "" });
    bar.style.width = `${Math.abs(nats) / largest * 100}%`;
    made.append(element("span", { title: name }, name), element("span", {}, bar), element("span", {}, signed(nats)));
  }
  return made;
}

export function signed(v) { return (v < 0 ? "−" : "+") + Math.abs(v).toFixed(Math.abs(v) < 0.1 ? 2 : 1); }
