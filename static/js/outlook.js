// The sentence above the chart: when it will be done by the reader's clock, or what would help.
import { put } from "./fields.js";
import { millis, rate } from "./format.js";

const clock = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function outlookWords(outlook) {
  if (outlook.text_code === "ending") return "Switching over now.";
  if (outlook.text_code === "not_converging") {
    const end = outlook.done_at ? ` It is given up at ${clock(outlook.done_at)}.` : "";
    return `Will not converge: the guest writes ${rate(outlook.writes_bytes_s)}, ${rate(outlook.carries_bytes_s)} are carried.${end}`;
  }
  if (!outlook.done_at) return outlook.text ?? "";
  const pause = outlook.pause_ms === null || outlook.pause_ms === undefined ? "" : ` with a pause of about ${millis(outlook.pause_ms)}`;
  const slowed = outlook.text_code === "throttled" ? ", with the guest slowed down" : "";
  const late = outlook.text_code === "too_late" ? " That is longer than it may take, so it will be given up." : "";
  return `Done about ${clock(outlook.done_at)}${pause}${slowed}.${late}`;
}

export function showOutlook(root, job) {
  const box = root.querySelector("[data-outlook]");
  const outlook = job.progress?.outlook;
  if (!box || !outlook) return;
  const words = outlookWords(outlook);
  box.hidden = job.state !== "running" || !words;
  box.dataset.code = outlook.text_code;
  box.dataset.level = outlook.converges === false ? "warning" : "info";
  put(box.querySelector("[data-outlook-words]"), words);
  const offered = (outlook.remedies ?? []).filter((remedy) => job.permitted_actions.includes(remedy));
  box.querySelector("[data-remedies]").hidden = offered.length === 0;
  for (const form of box.querySelectorAll("[data-remedy]")) form.hidden = !offered.includes(form.dataset.remedy);
  if (!outlook.needs_pause_ms) return;
  box.querySelector("[data-needs-ms]").value = outlook.needs_pause_ms;
  put(box.querySelector("[data-needs-words]"), millis(outlook.needs_pause_ms));
}
