// Writes a document into the elements marked for it: data-field names the path, data-as the wording.
import * as format from "./format.js";

export const dig = (document, path) => path.split(".").reduce((value, key) => value?.[key], document);

// Every element on the page that shows this object.
export const shownFor = (kind, id) => document.querySelectorAll(`[data-kind="${kind}"][data-id="${CSS.escape(id)}"]`);

export function write(root, source) {
  for (const element of root.querySelectorAll("[data-field]")) {
    const value = element.dataset.field === "." ? source : dig(source, element.dataset.field);
    // A load nobody measured is an empty bar; only a job is "working, but how far is not known".
    if (element.matches(".bar")) setBar(element, element.dataset.tone === "load" ? (value ?? 0) : value);
    else if (element.dataset.as === "state") setState(element, value);
    else put(element, format[element.dataset.as ?? "text"](value));
  }
  for (const element of root.querySelectorAll("[data-show-if]")) {
    const value = dig(source, element.dataset.showIf);
    element.hidden = Array.isArray(value) ? value.length === 0 : !value;
  }
}

// Only a change is written: screen readers hear each state once, and nothing is laid out again for nothing.
export function put(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

export function setState(element, value) {
  if (element.dataset.state === value) return;
  element.dataset.state = value;
  element.textContent = format.state(value);
}

export function setBar(element, value, words) {
  const known = value !== null && value !== undefined;
  const number = known ? Math.max(0, Math.min(100, value)) : null;
  element.toggleAttribute("data-unknown", !known);
  if (known) element.setAttribute("aria-valuenow", Math.round(number));
  else element.removeAttribute("aria-valuenow");
  element.setAttribute("aria-valuetext", words ?? (known ? format.percent(number) : "working, how far is not known"));
  element.firstElementChild.style.width = known ? `${number}%` : "";
}

export const share = (part, whole) => (whole > 0 && part !== undefined && part !== null ? (100 * part) / whole : null);
