// A map on a canvas: points, a density, a cursor that pointer and keys move, marks, an outline.

import { element } from "./looks.js";

const CLASSES = ["#2f7fd1", "#d17b2f", "#3a9e5f", "#c0508f", "#9a7fd6", "#b5a02a", "#2fa8b0", "#d0504a", "#7d8a96",
  "#7aa52f", "#b06a3f", "#5f6fd0"];
const UNKNOWN = "#8b949c";
const RAMP = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121],
  [109, 205, 89], [180, 222, 44], [253, 231, 37]];  // viridis
const SHADES = 24;
const EDGE = { left: 60, right: 8, top: 8, bottom: 40 };
const NEAR = 14;  // pixels
const FARTHEST_ZOOM = 1e5;

/** Return the colour of a share from 0 to 1. */
function ramp(share) {
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1), low = Math.min(Math.floor(at), RAMP.length - 2);
  const mixed = RAMP[low].map((v, k) => Math.round(v + (at - low) * (RAMP[low + 1][k] - v)));
  return `rgb(${mixed.join(",")})`;
}

/** Return the 2nd and the 98th percentile of numbers, between which colours run: one outlier hides no others. */
function bounds(values) {
  const known = values.filter(v => v !== null).sort((a, b) => a - b);
  if (!known.length) return [0, 1];
  const low = known[Math.floor(0.02 * (known.length - 1))], high = known[Math.ceil(0.98 * (known.length - 1))];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

/** Return the points of each colour, as [colour, numbers of points]. */
export function groups(found) {
  if (!found) return [];
  const made = new Map();
  const put = (colour, k) => made.has(colour) ? made.get(colour).push(k) : made.set(colour, [k]);
  if (found.names) found.values.forEach((v, k) => put(v < 0 ? UNKNOWN : CLASSES[v % CLASSES.length], k));
  else {
    const [low, high] = bounds(found.values);
    found.values.forEach((v, k) =>
      put(v === null ? UNKNOWN : ramp(Math.round((v - low) / (high - low) * SHADES) / SHADES), k));
  }
  return [...made];
}

/** Return what tells which colour is what. */
export function legend(found, by) {
  const key = (colour, words) => {
    const dot = element("i");
    dot.style.background = colour;
    return element("span", { className: "key" }, dot, words);
  };
  if (found.names) {
    const keys = found.names.map((name, k) => key(CLASSES[k % CLASSES.length], name));
    return found.values.some(v => v < 0) ? [...keys, key(UNKNOWN, "others")] : keys;
  }
  const [low, high] = bounds(found.values), scale = element("span", { className: "scale" });
  scale.style.background = `linear-gradient(90deg, ${Array.from({ length: 10 }, (_, k) => ramp(k / 9)).join(",")})`;
  return [element("span", {}, short(low)), scale, element("span", {}, short(high)), element("span", { className: "hint" }, by)];
}

export class Chart {
  /** told: what is called with what happens: moved(point), clicked(point, place), outlined(corners), viewed(view). */
  constructor(canvas, told) {
    Object.assign(this, { canvas, told, x: [], y: [], colours: [], density: null, marks: [], outline: [], mode: "look" });
    this.cursor = null;
    this.still = document.createElement("canvas");  // all but what follows the pointer
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.listen();
  }

  /** Take points (float32 x, y, row in turn), the box they lie in, names of the axes, and a density where given. */
  fill(points, box, names, density = null, bins = 0) {
    const n = points.length / 3;
    this.x = Float32Array.from({ length: n }, (_, k) => points[3 * k]);
    this.y = Float32Array.from({ length: n }, (_, k) => points[3 * k + 1]);
    this.rows = Int32Array.from({ length: n }, (_, k) => points[3 * k + 2]);
    this.names = names;
    this.box = box;
    const [x0, x1, y0, y1] = box, dx = 0.05 * (x1 - x0 || 1), dy = 0.05 * (y1 - y0 || 1);
    this.whole = [x0 - dx, x1 + dx, y0 - dy, y1 + dy];
    this.view ??= this.whole;
    this.density = density && this.shaded(density, bins);
    this.colours = [[CLASSES[0], [...this.x.keys()]]];
    this.resize();
  }

  // -- places --------------------------------------------------------------------------------------------------------

  get plot() {
    const { width, height } = this.canvas.getBoundingClientRect();
    return { left: EDGE.left, top: EDGE.top, width: width - EDGE.left - EDGE.right, height: height - EDGE.top - EDGE.bottom };
  }

  toScreen([x, y]) {
    const p = this.plot, [x0, x1, y0, y1] = this.view;
    return [p.left + (x - x0) / (x1 - x0) * p.width, p.top + (y1 - y) / (y1 - y0) * p.height];
  }

  toMap([px, py]) {
    const p = this.plot, [x0, x1, y0, y1] = this.view;
    return [x0 + (px - p.left) / p.width * (x1 - x0), y1 - (py - p.top) / p.height * (y1 - y0)];
  }

  /** Return the place of the nearest drawn point within some pixels of a point of the map, or -1. */
  near(point, within = NEAR) {
    const p = this.plot, [x0, x1, y0, y1] = this.view, sx = p.width / (x1 - x0), sy = p.height / (y1 - y0);
    let best = -1, least = within * within;
    for (let k = 0; k < this.x.length; k++) {
      const dx = (this.x[k] - point[0]) * sx, dy = (this.y[k] - point[1]) * sy, d = dx * dx + dy * dy;
      if (d < least) { least = d; best = k; }
    }
    return best;
  }

  look(view) {
    this.view = view;
    this.redraw();
    this.told.viewed(view);
  }

  zoom(by, at = [(this.view[0] + this.view[1]) / 2, (this.view[2] + this.view[3]) / 2]) {
    const [x0, x1, y0, y1] = this.view, [w0, w1] = this.whole, share = (x1 - x0) * by / (w1 - w0);
    if (share > 4 || share < 1 / FARTHEST_ZOOM) return;
    this.look([at[0] + (x0 - at[0]) * by, at[0] + (x1 - at[0]) * by, at[1] + (y0 - at[1]) * by, at[1] + (y1 - at[1]) * by]);
  }

  // -- hands ---------------------------------------------------------------------------------------------------------

  listen() {
    const c = this.canvas, at = e => [e.clientX - c.getBoundingClientRect().left, e.clientY - c.getBoundingClientRect().top];
    let pressed = null, dragged = false;
    c.addEventListener("pointerdown", e => {
      if (e.button) return;
      c.setPointerCapture(e.pointerId);
      pressed = { at: at(e), view: this.view, from: this.toMap(at(e)) };
      dragged = false;
      this.move(pressed.from);  // a finger does not hover
      if (this.mode === "lasso") this.outline = [pressed.from];
    });
    c.addEventListener("pointermove", e => {
      if (!this.view) return;
      const here = at(e);
      if (pressed && Math.hypot(here[0] - pressed.at[0], here[1] - pressed.at[1]) > 4) dragged = true;
      if (pressed && dragged && this.mode === "lasso") this.outline.push(this.toMap(here));
      else if (pressed && dragged) {
        const [x0, x1, y0, y1] = pressed.view, p = this.plot;
        const dx = (here[0] - pressed.at[0]) / p.width * (x1 - x0), dy = (here[1] - pressed.at[1]) / p.height * (y1 - y0);
        this.look([x0 - dx, x1 - dx, y0 + dy, y1 + dy]);
      }
      this.move(this.toMap(here));
    });
    c.addEventListener("pointerup", e => {
      if (!pressed) return;
      pressed = null;
      if (this.mode === "lasso") this.close();
      else if (!dragged) this.click(this.toMap(at(e)));
    });
    c.addEventListener("pointercancel", () => { pressed = null; });
    c.addEventListener("wheel", e => {
      e.preventDefault();
      this.zoom(Math.exp(Math.sign(e.deltaY) * 0.18), this.toMap(at(e)));
    }, { passive: false });
    c.addEventListener("keydown", e => this.key(e));
  }

  key(e) {
    if (!this.view || e.ctrlKey || e.metaKey || e.altKey) return;
    const [x0, x1, y0, y1] = this.view, step = e.shiftKey ? 0.1 : 0.02;
    const [x, y] = this.cursor ?? [(x0 + x1) / 2, (y0 + y1) / 2];
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (steps[e.key]) this.move(this.within([x + steps[e.key][0] * step * (x1 - x0), y + steps[e.key][1] * step * (y1 - y0)]));
    else if (e.key === "Enter" || e.key === " ") this.press([x, y]);
    else if (e.key === "+" || e.key === "=") this.zoom(0.8, [x, y]);
    else if (e.key === "-") this.zoom(1.25, [x, y]);
    else if (e.key === "0") this.look(this.whole);
    else if (e.key === "Escape") { this.outline = []; this.close(); }
    else return;
    e.preventDefault();
  }

  within([x, y]) {
    const [x0, x1, y0, y1] = this.view;
    return [Math.min(Math.max(x, x0), x1), Math.min(Math.max(y, y0), y1)];
  }

  /** Do by key what a click does; in lasso mode set a corner of the outline. */
  press(point) {
    if (this.mode !== "lasso") return this.click(point, 40);
    this.outline.push(point);
    this.close();
  }

  click(point, within = NEAR) { this.told.clicked(point, this.near(point, within)); }

  move(point) {
    this.cursor = point;
    this.told.moved(point, this.near(point));
    this.draw();
  }

  close() {
    this.draw();
    this.told.outlined(this.outline);
  }

  // -- ink -----------------------------------------------------------------------------------------------------------

  resize() {
    const { width, height } = this.canvas.getBoundingClientRect(), dots = devicePixelRatio || 1;
    if (!width || !this.view) return;
    for (const canvas of [this.canvas, this.still]) {
      canvas.width = Math.round(width * dots);
      canvas.height = Math.round(height * dots);
    }
    this.redraw();
  }

  redraw() {
    if (!this.view || !this.still.width) return;
    const pen = this.still.getContext("2d"), dots = devicePixelRatio || 1;
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.clearRect(0, 0, this.still.width, this.still.height);
    this.axes(pen);
    pen.save();
    this.clip(pen);
    if (this.density) this.cloud(pen);
    const many = this.x.length > 5000, size = many ? 1.4 : this.x.length > 1500 ? 2.3 : 3;
    pen.globalAlpha = this.density ? 0.45 : 0.78;
    for (const [colour, places] of this.colours) {
      pen.fillStyle = colour;
      pen.beginPath();
      for (const k of places) {
        const [px, py] = this.toScreenFast(k);
        if (many) pen.fillRect(px - size, py - size, 2 * size, 2 * size);  // which is fast, and looks like a point
        else { pen.moveTo(px + size, py); pen.arc(px, py, size, 0, 7); }
      }
      if (!many) pen.fill();
    }
    pen.restore();
    this.draw();
  }

  toScreenFast(k) {
    if (this.cached !== this.view || this.cachedWidth !== this.still.width) {
      const p = this.plot, [x0, x1, y0, y1] = this.view;
      this.linear = [p.left - x0 * p.width / (x1 - x0), p.width / (x1 - x0), p.top + y1 * p.height / (y1 - y0), -p.height / (y1 - y0)];
      this.cached = this.view;
      this.cachedWidth = this.still.width;
    }
    const [a, b, c, d] = this.linear;
    return [a + b * this.x[k], c + d * this.y[k]];
  }

  draw() {
    if (!this.view || !this.still.width) return;
    const pen = this.canvas.getContext("2d"), dots = devicePixelRatio || 1;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.drawImage(this.still, 0, 0);
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.save();
    this.clip(pen);
    this.drawOutline(pen);
    for (const mark of this.marks) this.drawMark(pen, mark);
    if (this.cursor) this.drawCursor(pen);
    pen.restore();
  }

  ink(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  clip(pen) {
    const p = this.plot;
    pen.beginPath();
    pen.rect(p.left, p.top, p.width, p.height);
    pen.clip();
  }

  axes(pen) {
    const p = this.plot, [x0, x1, y0, y1] = this.view;
    pen.font = "12px system-ui, sans-serif";
    pen.strokeStyle = this.ink("--line");
    pen.fillStyle = this.ink("--faint");
    pen.lineWidth = 1;
    pen.strokeRect(p.left, p.top, p.width, p.height);
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const v of ticks(x0, x1, p.width / 80)) {
      const [px] = this.toScreen([v, y0]);
      line(pen, px, p.top, px, p.top + p.height);
      pen.fillText(short(v), px, p.top + p.height + 5);
    }
    pen.fillText(this.names[0], p.left + p.width / 2, p.top + p.height + 22, p.width);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    if (!this.names[1]) return;
    for (const v of ticks(y0, y1, p.height / 60)) {
      const [, py] = this.toScreen([x0, v]);
      line(pen, p.left, py, p.left + p.width, py);
      pen.fillText(short(v), p.left - 6, py);
    }
    pen.save();
    pen.translate(9, p.top + p.height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(this.names[1], 0, 0, p.height);
    pen.restore();
  }

  shaded(counts, bins) {
    const canvas = document.createElement("canvas"), most = Math.log1p(counts.reduce((a, b) => Math.max(a, b), 1));
    canvas.width = canvas.height = bins;
    const pen = canvas.getContext("2d"), picture = pen.createImageData(bins, bins);
    for (let k = 0; k < counts.length; k++) {
      const at = 4 * ((bins - 1 - Math.floor(k / bins)) * bins + k % bins), share = Math.log1p(counts[k]) / most;
      picture.data.set([125, 138, 150, Math.round(255 * share)], at);
    }
    pen.putImageData(picture, 0, 0);
    return canvas;
  }

  cloud(pen) {
    const [x0, x1, y0, y1] = this.box, [left, top] = this.toScreen([x0, y1]), [right, bottom] = this.toScreen([x1, y0]);
    pen.drawImage(this.density, left, top, right - left, bottom - top);
  }

  drawCursor(pen) {
    const [px, py] = this.toScreen(this.cursor);
    pen.strokeStyle = this.ink("--ink");
    pen.lineWidth = 1.5;
    line(pen, px - 9, py, px - 3, py);
    line(pen, px + 3, py, px + 9, py);
    line(pen, px, py - 9, px, py - 3);
    line(pen, px, py + 3, px, py + 9);
  }

  /** mark: { at, sign: "ring" | "diamond" | "star", words } or { at, to } for a line. */
  drawMark(pen, mark) {
    const [px, py] = this.toScreen(mark.at);
    pen.lineWidth = 2.5;
    pen.strokeStyle = mark.sign === "ring" ? this.ink("--ink") : this.ink("--hot");
    pen.fillStyle = this.ink("--card");
    pen.beginPath();
    if (mark.to) {
      pen.moveTo(px, py);
      pen.lineTo(...this.toScreen(mark.to));
      pen.stroke();
      return;
    }
    const r = mark.sign === "small" ? 4 : 7;
    if (mark.sign === "ring") pen.arc(px, py, r, 0, 7);
    else { pen.moveTo(px, py - r); pen.lineTo(px + r, py); pen.lineTo(px, py + r); pen.lineTo(px - r, py); pen.closePath(); }
    if (mark.sign !== "ring") pen.fill();
    pen.stroke();
    if (!mark.words) return;
    pen.font = "600 12px system-ui, sans-serif";
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.lineWidth = 3;
    pen.strokeStyle = this.ink("--card");
    pen.strokeText(mark.words, px + 11, py);
    pen.fillStyle = this.ink("--ink");
    pen.fillText(mark.words, px + 11, py);
  }

  drawOutline(pen) {
    if (!this.outline.length) return;
    pen.beginPath();
    this.outline.forEach((corner, k) => pen[k ? "lineTo" : "moveTo"](...this.toScreen(corner)));
    pen.closePath();
    pen.fillStyle = this.ink("--mark");
    pen.globalAlpha = 0.13;
    pen.fill();
    pen.globalAlpha = 1;
    pen.strokeStyle = this.ink("--mark");
    pen.lineWidth = 2;
    pen.setLineDash([5, 4]);
    pen.stroke();
    pen.setLineDash([]);
  }
}

function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

function ticks(low, high, about) {
  const rough = (high - low) / Math.max(about, 2), ten = 10 ** Math.floor(Math.log10(rough));
  const step = ten * [1, 2, 5, 10].find(k => k * ten >= rough), first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, k) => (first + k) * step);
}

/** Return a number with four digits. */
export function short(v) { return minus(String(+v.toPrecision(4))); }

export function minus(text) { return text.replace("-", "−"); }
