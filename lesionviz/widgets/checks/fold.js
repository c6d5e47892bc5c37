// A heading that folds away all that follows it on the page (checks.css, by data-open).
// @ts-check

/** @param {View<{title: string}>} view */
function render({ model, el }) {
  const toggle = button(model.get("title"), () => open(el.dataset.open !== "true"));
  /** @param {boolean} yes */
  function open(yes) {
    el.dataset.open = String(yes);
    toggle.setAttribute("aria-expanded", String(yes));
  }
  el.classList.add("lv", "lv-fold");
  el.replaceChildren(element("h2", {}, toggle));
  keepKeys(el);
  open(true);
}

export default { render };
