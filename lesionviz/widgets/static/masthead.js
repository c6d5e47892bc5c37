// Title, tabs, the state of the model, and the warning when Python has gone. A lost kernel is restarted empty behind a
// page that looks alive; so its status is watched here, and what cannot work any more is switched off.

const PARTS = { explore: ".lv-explore", compare: ".lv-compare", batch: ".lv-batch", quiz: ".lv-quiz-box" };
const NEED_PYTHON = ".lv-picker, .lv-tabs, .lv-needs-kernel, .lv-batch-zone, .lv-batch-keep, .lv-quiz-form, .lv-quiz-info .lv-row, .lv-quiz-end .lv-row";

function render({ model, el }) {
  const words = element("p", { className: "lv-model", role: "status" });
  const tabs = Object.entries(model.get("tabs")).map(([key, name]) => {
    const node = button(name, () => choose(key), { className: "lv-tab", role: "tab" });
    node.dataset.tab = key;
    return node;
  });
  const list = element("div", { className: "lv-tabs", role: "tablist", ariaLabel: "Ways to work" }, ...tabs);
  function choose(key) {
    if (key === model.get("tab")) return;
    model.set("tab", key);
    model.save_changes();
  }
  list.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length];
    next.focus();
    choose(next.dataset.tab);
  });
  function mark(key) {
    for (const node of tabs) {
      const chosen = node.dataset.tab === key;
      node.setAttribute("aria-selected", String(chosen));
      node.tabIndex = chosen ? 0 : -1;
    }
  }
  function draw() {
    words.textContent = model.get("model_words");
    mark(model.get("tab"));
  }

  // --- is Python still there? ----------------------------------------------------------------------------------
  const inNotebook = Boolean(document.querySelector(".jp-NotebookPanel"));
  const advice = inNotebook ? "Run the cell again to go on." : "Reload the page to go on.";
  const warning = element("div", { className: "lv-lost-banner", role: "alert", hidden: true });
  function lose(what) {
    const home = el.closest(".lv-explorer");
    if (!home || home.classList.contains("lv-lost")) return;
    home.classList.add("lv-lost");
    for (const node of home.querySelectorAll(NEED_PYTHON)) node.inert = true;
    const onView = Object.entries(PARTS).find(([, part]) => home.querySelector(part)?.offsetParent);
    if (onView) mark(onView[0]); // a tab that was chosen too late did not open
    warning.replaceChildren(
      element("p", { textContent: `${what} Nothing new can be computed; what is on view stays, and you can go on looking at it. ${advice}` }),
      inNotebook ? null : button("Reload the page", () => location.reload(), { className: "lv-primary" }),
    );
    warning.hidden = false;
    words.textContent = "Not connected";
  }
  // The stock controls of the page have no file of their own to say this in.
  const onFocus = (event) => {
    if (event.target.closest?.(".lv-explorer")) event.target.dataset.lmSuppressShortcuts = "true";
  };
  document.addEventListener("focusin", onFocus);

  const kernel = model.widget_manager?.kernel;
  const onStatus = (_kernel, status) => {
    if (["dead", "restarting", "autorestarting", "terminating"].includes(status)) lose("Python has stopped.");
  };
  const onConnection = (_kernel, status) => {
    if (status === "disconnected") lose("The connection to Python is lost.");
  };
  kernel?.statusChanged?.connect(onStatus);
  kernel?.connectionStatusChanged?.connect(onConnection);

  el.classList.add("lv", "lv-masthead");
  el.replaceChildren(
    element(
      "div",
      { className: "lv-masthead-row" },
      element("h1", { className: "lv-title" }, "lesionviz", element("span", { textContent: "ask a skin-lesion classifier why" })),
      words,
    ),
    list,
    warning,
  );
  model.on("change:tab", draw);
  model.on("change:model_words", draw);
  draw();
  return () => {
    model.off("change:tab", draw);
    model.off("change:model_words", draw);
    document.removeEventListener("focusin", onFocus);
    kernel?.statusChanged?.disconnect(onStatus);
    kernel?.connectionStatusChanged?.disconnect(onConnection);
  };
}

export default { render };
