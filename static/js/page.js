// Wires a page: its topics to the socket, the messages to whoever shows them, and small conveniences.
import { endAlarm, showAlarm } from "./alarms.js";
import { ago } from "./format.js";
import { JobPage } from "./job.js";
import { Live } from "./live.js";
import { showDocument, showGone } from "./rows.js";

const LIVE_WORDS = {
  live: "live", reconnecting: "reconnecting", polling: "polling", stale: "stale", "signed-out": "signed out",
};

function showLive(word) {
  const badge = document.querySelector("[data-live]");
  if (!badge || badge.dataset.live === word) return;
  badge.dataset.live = word;
  badge.textContent = LIVE_WORDS[word];
}

function watch(topics) {
  const root = document.querySelector("[data-job-page]");
  const page = root ? new JobPage(root) : null;
  const live = new Live(topics, {
    document(kind, document_, topic, isNew) {
      if (kind === "alarm") return showAlarm(document_);
      showDocument(kind, document_, isNew && !topic.includes(":"));
      if (kind === "job") page?.document(document_);
    },
    event: (event) => page?.event(event),
    gone: (kind, id) => (kind === "alarm" ? endAlarm(id) : showGone(kind, id)),
    state: showLive,
  });
  live.open();
}

// Relative times stay true while the page is open.
setInterval(() => {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const words = ago(Date.now() - Date.parse(time.dateTime));
    if (time.textContent !== words) time.textContent = words;
  }
}, 5_000);

document.addEventListener("click", async (event) => {
  const menu = event.target.closest("[data-menu-button]");
  if (menu) {
    const side = menu.closest("[data-menu]");
    const open = side.dataset.menu === "closed";
    side.dataset.menu = open ? "open" : "closed";
    menu.setAttribute("aria-expanded", String(open));
  }
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(document.querySelector(copy.dataset.copy).textContent);
    copy.querySelector("[data-copy-word]").textContent = "copied";
  }
});

// A second press of a button that starts something is stopped here; the server stops it as well.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-once]")) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-sent]")) delete form.dataset.sent;
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey) return;
  const search = document.querySelector("input[type=search]");
  if (!search) return;
  event.preventDefault();
  search.focus();
});

const topics = (document.body.dataset.liveTopics ?? "").split(",").filter(Boolean);
if (topics.length) watch(topics);
