// A row: what is kept of it, how odd it is and why, the rows near to it.

import { $, ask, into } from "./ask.js";
import { about, keep, marks, placed, state } from "./state.js";
import { bars, bytes, element, facts, paintNats, pictures, show, signed, steps } from "./looks.js";
import { edit } from "./own.js";
import { minus } from "./chart.js";

export async function choose(row) {
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
export function aboutRow(known, asked) {
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
