// The receipt's lines of evidence, when the job ends while its page is open.
const WORDS = { proven: "proven:", failed: "NOT PROVEN:", not_available: "nobody to ask:" };

export function showEvidence(root, evidence) {
  const list = root.querySelector("[data-evidence]");
  if (!list || !evidence || list.children.length) return;
  const blank = root.querySelector("[data-evidence-line]").content.firstElementChild;
  for (const line of evidence) {
    const item = blank.cloneNode(true);
    const [what, outcome, how] = item.children;
    item.dataset.outcome = line.outcome;
    what.textContent = line.what;
    outcome.textContent = WORDS[line.outcome] ?? line.outcome;
    how.textContent = line.how;
    list.append(item);
  }
}
