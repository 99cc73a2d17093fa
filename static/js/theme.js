// Light, dark or the system's choice. A classic script in the head: it must run before the first paint.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const NEXT = { auto: "light", light: "dark", dark: "auto" };
  const choice = () => localStorage.getItem("drover-theme") ?? "auto";

  function show() {
    const chosen = choice();
    root.dataset.bsTheme = chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.setAttribute("aria-label", `Theme: ${chosen}. Press for ${NEXT[chosen]}.`);
      button.querySelector("[data-theme-name]").textContent = chosen;
    }
    document.dispatchEvent(new Event("drover:theme"));
  }

  dark.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-switch]")) return;
    localStorage.setItem("drover-theme", NEXT[choice()]);
    show();
  });
  show();
})();
