// Questions to the server, one at a time where only the last one counts, and what is said when it does not answer.

import { element } from "./looks.js";

export const $ = id => document.getElementById(id);

export async function fetched(path, options) {
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

export async function ask(question, asked) {
  return (await fetched(question, { method: "POST", body: JSON.stringify(asked) })).json();
}

/** One question on its way at a time; of those that come meanwhile the last one is asked. */
export class Latest {
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

export function alarm(words) {
  $("alarm-words").textContent = words;
  $("alarm").hidden = false;
}

function calm() { $("alarm").hidden = true; }

/** Run something for a place of the page, which says so while it waits and where it fails. */
export async function into(place, work) {
  place.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (fault) {
    if (fault.message !== "gone") place.replaceChildren(element("p", { className: "fault" }, fault.message));
  }
  place.removeAttribute("aria-busy");
}
