// A heading that folds away all that follows it on the page (checks.css, by data-open), and a way to each section of that.
// @ts-check

/** @param {View<{title: string, parts: string[]}>} view */
function render({ model, el }) {
  const ways = element("nav", { className: "lv-fold-ways" }, ...model.get("parts").map((part) => button(part, () => turnTo(part))));
  ways.setAttribute("aria-label", model.get("title"));
  const toggle = button(model.get("title"), () => open(el.dataset.open !== "true"));
  /** @param {boolean} yes */
  function open(yes) {
    el.dataset.open = String(yes);
    toggle.setAttribute("aria-expanded", String(yes));
  }
  /** @param {string} part */
  function turnTo(part) {
    const heading = [...(el.parentElement?.querySelectorAll("h3") ?? [])].find(({ textContent }) => textContent === part);
    const section = heading?.closest("section");
    if (!section) return;
    section.tabIndex = -1;
    section.focus({ preventScroll: true });
    section.scrollIntoView({ block: "start" });
  }
  el.classList.add("lv", "lv-fold");
  el.replaceChildren(element("h2", {}, toggle), ways);
  keepKeys(el);
  open(true);
}

export default { render };
