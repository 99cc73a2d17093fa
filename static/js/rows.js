// Rows and cards of hosts, guests and jobs, wherever a page shows them.
import { put, setBar, share, shownFor, write } from "./fields.js";
import { percent } from "./format.js";

const UNFINISHED = new Set(["queued", "running", "unknown"]);
const REFRESH_EVERY_MS = 3_000;
const unfinished = new Set();
let resting = null;
let missed = null;

// What a job shows: never 100 % before it has succeeded, nothing while nothing is known, and never going back.
const reached = new Map();
export function shownPercent(job) {
  if (job.state === "succeeded") return 100;
  const told = job.progress?.percent;
  if (told === null || told === undefined) return null;
  const number = Math.max(reached.get(job.id) ?? 0, Math.min(99, told));
  reached.set(job.id, number);
  return number;
}

export function showDocument(kind, document_, isNew) {
  const places = shownFor(kind, document_.id);
  const before = places[0]?.querySelector('[data-field="state"]')?.dataset.state;
  for (const place of places) {
    write(place, document_);
    if (kind === "host") showHost(place, document_);
    if (kind === "guest") showGuest(place, document_);
    if (kind === "job") showJob(place, document_);
  }
  if (kind === "job") countJob(document_);
  const changed = before && before !== document_.state;
  if ((isNew && places.length === 0) || (changed && kind !== "guest")) refreshList(kind);
}

export function showGone(kind, id) {
  if (shownFor(kind, id).length) refreshList(kind);
}

function showHost(place, host) {
  place.toggleAttribute("data-down", host.state === "unreachable");
  for (const bar of place.querySelectorAll(".bar[data-memory]")) {
    const used = share(host.memory_used_mib, host.memory_mib);
    setBar(bar, used ?? 0);
    bar.dataset.tone = used > 95 ? "full" : "load";
  }
  for (const words of place.querySelectorAll("[data-memory-share]")) {
    put(words, percent(share(host.memory_used_mib, host.memory_mib)));
  }
}

function showGuest(place, guest) {
  for (const link of place.querySelectorAll("[data-host-link]")) {
    put(link, guest.host?.name ?? "nowhere");
    if (guest.host) link.setAttribute("href", link.dataset.hostLink.replace(/[0-9a-f-]{36}/, guest.host.id));
  }
}

function showJob(place, job) {
  for (const bar of place.querySelectorAll("[data-job-bar]")) setBar(bar, shownPercent(job));
  for (const box of place.querySelectorAll("[data-while-unfinished]")) box.hidden = !UNFINISHED.has(job.state);
}

// The current operation inside a guest's row, and the number in the menu and in the tab's title.
function countJob(job) {
  const busy = UNFINISHED.has(job.state);
  unfinished[busy ? "add" : "delete"](job.id);
  if (job.subject?.kind === "guest") {
    for (const place of document.querySelectorAll(`[data-guest-job="${CSS.escape(job.subject.id)}"]`)) {
      place.hidden = !busy;
      if (!busy) continue;
      for (const link of place.querySelectorAll("a")) link.href = `/jobs/${job.id}/`;
      for (const words of place.querySelectorAll("[data-job-stage]")) put(words, job.stage || job.state);
      for (const bar of place.querySelectorAll(".bar")) setBar(bar, shownPercent(job));
    }
  }
  for (const count of document.querySelectorAll("[data-unfinished]")) {
    count.hidden = unfinished.size === 0;
    put(count, String(unfinished.size));
  }
}

// What this page does not have yet, or shows in the wrong place: the server renders it, htmx puts it in.
function refreshList(kind) {
  if (!document.querySelector(`[data-live-list~="${kind}"]`) || !window.htmx) return;
  if (resting) {
    missed = kind;
    return;
  }
  setTimeout(() => {
    const list = document.querySelector(`[data-live-list~="${kind}"]`);
    if (list) window.htmx.trigger(list, "drover:refresh");
  }, 300);
  resting = setTimeout(() => {
    [resting, kind, missed] = [null, missed, null];
    if (kind) refreshList(kind);
  }, REFRESH_EVERY_MS);
}
