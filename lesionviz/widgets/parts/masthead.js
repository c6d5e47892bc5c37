// Title, tabs, the state of the model, and the warning when Python is slow, away, busy or gone (lifeline.js): a page without it
// looks alive. What cannot work meanwhile is switched off, and on again when it is back.
// @ts-check

/** Where each tab's part of the page is. @type {Record<string, string>} */
const PARTS = { explore: ".lv-explore", compare: ".lv-compare", batch: ".lv-batch", quiz: ".lv-quiz-box" };
const NEED_PYTHON = ".lv-picker > :not(.lv-picker-way), .lv-tabs, .lv-needs-kernel, .lv-batch-zone, .lv-batch-keep, .lv-quiz-form, .lv-quiz-zone > button, .lv-quiz-info .lv-row, .lv-quiz-end .lv-row";

/** @param {View<{tabs: Record<string, string>, tab: string, model_words: string}>} view */
function render({ model, el }) {
  const words = element("p", { className: "lv-model", role: "status" });
  const tabs = Object.entries(model.get("tabs")).map(([key, name]) => {
    const node = button(name, () => choose(key), { className: "lv-tab", role: "tab" });
    node.dataset.tab = key;
    return node;
  });
  const list = element("div", { className: "lv-tabs", role: "tablist", ariaLabel: "Ways to work" }, ...tabs);
  /** @param {string} key */
  function choose(key) {
    if (key === model.get("tab")) return;
    model.set("tab", key);
    model.save_changes();
  }
  list.addEventListener("keydown", (event) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    const next = tabs[(tabs.findIndex((tab) => tab === document.activeElement) + by + tabs.length) % tabs.length];
    next.focus();
    choose(next.dataset.tab ?? "");
  });
  /** @param {string} key */
  function mark(key) {
    for (const node of tabs) {
      const chosen = node.dataset.tab === key;
      node.setAttribute("aria-selected", String(chosen));
      node.tabIndex = chosen ? 0 : -1;
    }
  }
  function draw() {
    const away = "Not connected";
    words.textContent = { there: model.get("model_words"), slow: "Waiting for the server", busy: "Python is busy", away, gone: away }[line?.state().kind ?? "there"];
    mark(model.get("tab"));
  }

  // --- is Python still there? ----------------------------------------------------------------------------------
  const inNotebook = Boolean(document.querySelector(".jp-NotebookPanel"));
  const warning = element("div", { className: "lv-line-banner", hidden: true });
  const line = lifeline(model);
  const LOST = "Nothing new can be computed; what is on view stays.";
  const WAITS = "What you send waits, and is worked on as soon as Python is free.";
  const RELOAD = inNotebook ? "Reload the page and run the cell again to go on." : ""; // a button
  const ADVICE = inNotebook ? "Run the cell again to go on." : RELOAD;
  const LASTING = inNotebook ? "If this lasts, interrupt or restart the kernel." : "If this lasts, reload the page.";
  /** What has happened, and what will or can be done. @type {Record<Exclude<Trouble, "there">, Partial<Record<Why, [string, string]>>>} */
  const WORDS = {
    slow: {
      "": ["The server does not answer.", "It is very busy, or the network is cut. Nothing is lost, and this page goes on by itself."],
    },
    away: {
      "": ["No connection to the server.", `The network may be cut, or the server's computer asleep; if the server was stopped, start it again. ${LOST} This page goes on by itself.`],
    },
    busy: {
      working: ["Python is busy with something else.", `${WAITS} ${LASTING}`],
      silent: ["Python is busy and does not answer.", `${WAITS} ${LASTING}`],
    },
    gone: {
      stopped: ["Python has stopped.", `${LOST} ${ADVICE}`],
      forgotten: ["Python has stopped.", `The server was started anew, or has ended it. ${LOST} ${RELOAD}`],
      locked: ["The server wants you to sign in again.", `${LOST} ${RELOAD}`],
    },
  };
  const float = element("div", { className: "lv-line-float" });
  /** @type {HTMLElement | null} */
  let held = null; // what had the focus and was switched off with the rest
  /** @param {LineState} state */
  function onLine({ kind, why }) {
    const home = homeOf(el);
    const off = kind === "away" || kind === "gone";
    // Both places stay in view, however far one has scrolled. What may pass lies over the page, so that nothing moves for it.
    home.append(float);
    (off ? (home.querySelector(":scope > .lv-notice-box") ?? el) : float).append(warning);
    const focused = document.activeElement;
    if (off && !home.classList.contains("lv-lost")) held = focused instanceof HTMLElement && home.contains(focused) ? focused : null;
    home.classList.toggle("lv-lost", off);
    for (const node of partsOf(home, NEED_PYTHON)) node.inert = off;
    if (!off && document.activeElement === document.body) held?.focus({ preventScroll: true });
    if (!off) held = null;
    draw();
    const onView = off && Object.entries(PARTS).find(([, part]) => partsOf(home, part)[0]?.offsetParent);
    if (onView) mark(onView[0]); // a tab that was chosen too late did not open
    warning.hidden = kind === "there";
    if (kind === "there") return warning.replaceChildren();
    const [title, more] = WORDS[kind][why] ?? ["", ""];
    warning.role = off ? "alert" : "status";
    warning.dataset.line = kind;
    warning.replaceChildren(
      element("p", {}, element("b", { textContent: title }), ` ${more}`),
      ...(kind === "gone" && !inNotebook ? [button("Reload the page", () => location.reload(), { className: "lv-primary" })] : []),
    );
  }
  // The stock controls of the page have no file of their own to say this in.
  /** @param {FocusEvent} event */
  const onFocus = ({ target }) => {
    if (target instanceof HTMLElement && target.closest(".lv-explorer")) target.dataset.lmSuppressShortcuts = "true";
  };
  document.addEventListener("focusin", onFocus);

  el.classList.add("lv", "lv-masthead");
  el.replaceChildren(
    element(
      "div",
      { className: "lv-masthead-row" },
      element("h1", { className: "lv-title" }, "lesionviz", element("span", { textContent: "ask a skin-lesion classifier why" })),
      words,
    ),
    list,
  );
  model.on("change:tab", draw);
  model.on("change:model_words", draw);
  draw();
  const release = line?.listen(onLine);
  return () => {
    release?.();
    warning.remove();
    float.remove();
    model.off("change:tab", draw);
    model.off("change:model_words", draw);
    document.removeEventListener("focusin", onFocus);
  };
}

export default { render };
