// New rows, and sets of rows that are saved.

import { $, Latest, ask, fetched, into } from "./ask.js";
import { about, chart, marks, state } from "./state.js";
import { element, pictures, table } from "./looks.js";
import { entry } from "./own.js";

export function conditions() {
  if (about.kind === "pictures" || about.columns.length > 60) return;
  $("given").replaceChildren(...about.columns.map((c, j) => element("label", {}, c.name, entry(c, "", `given-${j}`))));
}

export async function draw() {
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

export function outlined(outline) {
  if (outline.length < 3) {
    for (const id of ["export-codes", "export-rows"]) $(id).disabled = true;
    $("set-words").textContent = outline.length ? `${outline.length} corner(s) are set; three make an outline.` : "No rows are chosen.";
  } else counted.ask(outline);
}

export async function save(what) {
  try {
    const answer = await fetched("export", { method: "POST", body: JSON.stringify({ what, outline: chart.outline }) });
    const name = answer.headers.get("content-disposition").match(/filename="(.*?)"/)[1], url = URL.createObjectURL(await answer.blob());
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  } catch (fault) {
    if (fault.message !== "gone") $("set-words").textContent = fault.message;
  }
}
