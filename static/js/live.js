// One socket per page: snapshot first, numbered messages after; falls back to asking, and never goes silent unseen.
import { catchUp, confirmed } from "./catch-up.js";

const SILENCE_MS = 35_000; // the server speaks at least every 15 s
const POLL_MS = 3_000;
const FAILURES_BEFORE_POLLING = 3;
const LONGEST_WAIT_MS = 15_000;
const SIGN_IN = 4401;
const FINISHED = new Set(["succeeded", "failed", "cancelled"]);

export const kindOf = (topic) => topic.split(":")[0].replace(/s$/, "");
export const numberOf = (kind, document) => (kind === "job" ? document.seq : document.version);

export class Live {
  #shown = new Map();
  #events = new Map();
  #asked = new Set();
  #failures = 0;
  #refusals = 0;
  #heardAt = 0;
  #socket = null;
  #polling = null;
  #over = false;

  // hear: { document(kind, document, topic, isNew), event(document), gone(kind, id), state(word) }
  constructor(topics, hear) {
    this.topics = topics;
    this.hear = hear;
    setInterval(() => this.#watch(), 5_000);
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", (event) => event.persisted && this.#return());
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws/v1/stream?topics=${this.topics.join(",")}`);
    this.#socket = socket;
    this.#heardAt = Date.now();
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code);
  }

  #receive(message) {
    this.#heardAt = Date.now();
    this.#failures = this.#refusals = 0;
    this.#stopPolling();
    this.hear.state("live");
    this.take(message);
  }

  take(message) {
    const kind = message.topic ? kindOf(message.topic) : "";
    if (message.type === "snapshot") {
      for (const document of message.documents) this.#take(kind, document, message.topic, false);
      for (const event of message.events ?? []) this.#takeEvent(event);
    } else if (message.type === "update") this.#take(kind, message.document, message.topic, true);
    else if (message.type === "event") this.#takeEvent(message.document);
    else if (message.type === "gone") this.hear.gone(kind, message.id);
  }

  #take(kind, document, topic, isUpdate) {
    const key = `${kind}:${document.id}`;
    const isNew = isUpdate && !this.#shown.has(key);
    const number = numberOf(kind, document);
    if (number <= (this.#shown.get(key) ?? -1)) return;
    this.#shown.set(key, number);
    this.hear.document(kind, document, topic, isNew);
    if (kind === "job" && FINISHED.has(document.state)) this.#confirm(key, document, topic);
  }

  // A lost or reordered message must not leave a wrong ending on the screen.
  async #confirm(key, document, topic) {
    if (!this.topics.includes(key) || this.#asked.has(key)) return;
    this.#asked.add(key);
    const { document: truth, events } = (await confirmed(document.id)) ?? {};
    if (truth) this.hear.document("job", truth, topic, false);
    for (const event of events ?? []) this.#takeEvent(event);
  }

  #takeEvent(event) {
    if (event.seq <= (this.#events.get(event.job) ?? -1)) return;
    this.#events.set(event.job, event.seq);
    this.hear.event(event);
  }

  #closed(code) {
    if (this.#over) return;
    this.#failures += 1;
    // A changed role closes the socket once with the same code; only a second refusal means signed out.
    if (code === SIGN_IN && ++this.#refusals > 1) return this.#signedOut();
    if (this.#failures >= FAILURES_BEFORE_POLLING) this.#startPolling();
    else this.hear.state("reconnecting");
    const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** this.#failures) * (0.5 + Math.random());
    setTimeout(() => this.#over || this.open(), wait);
  }

  #watch() {
    if (this.#over || Date.now() - this.#heardAt < SILENCE_MS) return;
    this.hear.state("stale");
    const silent = this.#socket;
    this.#socket = null;
    silent?.close();
    this.#closed(0);
    this.#heardAt = Date.now();
  }

  #startPolling() {
    if (this.#polling) return;
    const ask = async () => {
      try {
        for (const topic of this.topics) for (const message of await catchUp(topic)) this.take(message);
        this.hear.state("polling");
      } catch (error) {
        if (error.status === 401) this.#signedOut();
        else this.hear.state("stale");
      }
    };
    this.#polling = setInterval(ask, POLL_MS);
    ask();
  }

  #stopPolling() {
    clearInterval(this.#polling);
    this.#polling = null;
  }

  #signedOut() {
    this.#leave();
    this.hear.state("signed-out");
  }

  #leave() {
    this.#over = true;
    this.#stopPolling();
    this.#socket?.close();
  }

  #return() {
    this.#over = false;
    this.open();
  }
}
