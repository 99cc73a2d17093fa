// The banner about guests that run twice: on every page, raised and taken back by messages.
import { put } from "./fields.js";

const box = () => document.querySelector("[data-alarms]");
const lineOf = (id) => box()?.querySelector(`[data-alarm="${CSS.escape(id)}"]`);

export function showAlarm(guest) {
  if (!box()) return;
  let line = lineOf(guest.id);
  if (!line) {
    line = document.querySelector("[data-alarm-line]").content.firstElementChild.cloneNode(true);
    line.dataset.alarm = guest.id;
    line.querySelector("a").href = `/guests/${guest.id}/`;
    box().append(line);
  }
  put(line.querySelector("[data-alarm-guest]"), guest.name);
  put(line.querySelector("[data-alarm-hosts]"), guest.runs_twice_on.join(" and "));
}

export const endAlarm = (id) => lineOf(id)?.remove();
