// The job page: stages, bars, numbers, chart, log and the ending.
import { drawChart } from "./chart.js";
import { showEvidence } from "./evidence.js";
import { put, setBar, setState, share } from "./fields.js";
import { bytesize, percent, seconds } from "./format.js";
import { showOutlook } from "./outlook.js";
import { shownPercent } from "./rows.js";

const STALE_AFTER_MS = 15_000;
const FINISHED = new Set(["succeeded", "failed", "cancelled"]);

export class JobPage {
  constructor(root) {
    this.root = root;
    this.log = root.querySelector("[data-log]");
    this.chart = drawChart(root.querySelector("[data-chart]"));
    this.heard = root.querySelector("[data-heard]");
    this.finished = FINISHED.has(root.dataset.state);
    setInterval(() => this.#clock(), 1_000);
  }

  document(job) {
    if (job.id !== this.root.dataset.id) return;
    const changed = this.root.dataset.state !== job.state;
    this.root.dataset.state = job.state;
    this.finished = FINISHED.has(job.state);
    this.#steps(job);
    this.#bars(job);
    this.#ending(job, changed);
    showOutlook(this.root, job);
    if (job.progress?.heard_at) this.heard.dataset.heard = job.progress.heard_at;
    this.#clock();
    if (!this.finished) this.chart.add(job.progress ?? {});
  }

  event(event) {
    if (event.job !== this.root.dataset.id || this.log.querySelector(`[data-seq="${Number(event.seq)}"]`)) return;
    const line = this.root.querySelector("[data-log-line]").content.firstElementChild.cloneNode(true);
    line.dataset.seq = event.seq;
    const [time, level, message] = line.children;
    time.dateTime = event.at;
    time.textContent = event.at.slice(11, 19);
    level.textContent = event.level;
    level.dataset.level = event.level;
    message.textContent = event.message;
    const atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 40;
    this.log.append(line);
    if (atEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  #steps(job) {
    for (const step of job.steps) {
      const item = this.root.querySelector(`[data-step="${CSS.escape(step.name)}"]`);
      if (!item) continue;
      item.dataset.state = step.state;
      item.toggleAttribute("aria-current", step.state === "running");
      put(item.querySelector("[data-step-word]"), step.state);
      put(item.querySelector("[data-step-detail]"), step.detail);
    }
  }

  #bars(job) {
    const whole = shownPercent(job);
    for (const bar of this.root.querySelectorAll("[data-whole-bar]")) setBar(bar, whole, this.#said(job, whole));
    for (const words of this.root.querySelectorAll("[data-whole]")) put(words, whole === null ? "" : percent(whole));
    for (const row of this.root.querySelectorAll("[data-part]")) {
      const part = job.progress?.[row.dataset.part];
      row.hidden = !part?.total;
      if (!part?.total) continue;
      setBar(row.querySelector(".bar"), share(part.done, part.total));
      put(row.querySelector("[data-part-words]"), `${bytesize(part.done)} of ${bytesize(part.total)}`);
    }
  }

  #said(job, whole) {
    const stage = job.steps.find((step) => step.state === "running")?.title ?? job.state;
    return whole === null ? `${stage}, how far is not known` : `${stage}, ${percent(whole)}`;
  }

  // The sentence that readers hear changes with the state and the stage only, never with a number.
  #ending(job, changed) {
    const said = this.root.querySelector("[data-said]");
    put(said, FINISHED.has(job.state) ? `${job.title}: ${job.state}` : `${job.state}${job.stage ? `, ${job.stage}` : ""}`);
    for (const box of this.root.querySelectorAll("[data-only-in]")) {
      box.hidden = !box.dataset.onlyIn.split(" ").includes(job.state);
    }
    for (const form of this.root.querySelectorAll("[data-action]")) {
      form.hidden = !job.permitted_actions.includes(form.dataset.action);
    }
    showEvidence(this.root, job.result?.evidence);
    for (const item of this.root.querySelectorAll("[data-copies]")) {
      const copies = Object.entries(job.result?.copies ?? {});
      put(item, copies.map(([host, state]) => `${host}: ${state}`).join(", "));
    }
    if (changed) for (const badge of this.root.querySelectorAll("[data-job-state]")) setState(badge, job.state);
    document.title = `${FINISHED.has(job.state) ? `${job.state}: ` : ""}${job.title} - Drover`;
  }

  #clock() {
    const at = Date.parse(this.heard.dataset.heard ?? "");
    this.heard.hidden = this.finished || Number.isNaN(at);
    if (this.heard.hidden) return;
    const silent = Math.max(0, Date.now() - at);
    this.heard.toggleAttribute("data-stale", silent > STALE_AFTER_MS);
    put(this.heard, `last heard ${seconds(Math.round(silent / 1000))} ago${silent > STALE_AFTER_MS ? ": no news from the host" : ""}`);
  }
}
