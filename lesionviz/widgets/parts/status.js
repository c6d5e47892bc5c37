// One picture at a time: says where the picture that was chosen last stands, and, by `data-state`, which of the parts that
// follow are on view (explorer.css). The picker tells of a choice on the page itself ("lesionviz:chosen", with request, name
// and kind), so the last picture is gone before the kernel has heard of the new one; until it has, what it says is of the
// last picture and is not shown. While Python is away or gone, a picture that has no answer yet is "lost", and that is said; over a
// new connection the kernel says everything again (recovery.js), and the picker sends what has not arrived.
// @ts-check

/** What is on view: the state, or that what it waits for is lost. @typedef {Omit<PictureState, "kind"> & {kind: PictureKind | "lost"}} Shown */

/** @type {Set<Shown["kind"]>} */
const BUSY = new Set(["receiving", "working"]);

/** @param {View<{state: PictureState, sentences: Record<string, string>}, Message>} view */
function render({ model, el }) {
  const images = pictures();
  const line = recovery(model, { onLine: () => show(current) });
  let awaited = ""; // a choice that the kernel has not spoken of yet
  let current = model.get("state"); // the state that is shown, or would be with Python at hand

  // Both stay for good: a screen reader speaks of a change inside a region that it knows.
  const image = element("img", { hidden: true });
  const sentence = element("p");
  /** @param {PictureState} next */
  function show(next) {
    current = next;
    const trouble = BUSY.has(next.kind) ? line.trouble() : "there";
    const lost = isLost(trouble);
    const words = lost || next.kind === "receiving" ? unansweredWords(trouble, next.name) : ""; // what Python looks at only takes longer
    draw(words ? { ...next, kind: lost ? "lost" : next.kind, words } : next);
  }
  /** @param {Shown} shown */
  function draw({ kind, words, request, picture, name }) {
    Object.assign(el.dataset, { state: kind, request });
    image.hidden = !picture?.byteLength;
    image.alt = image.hidden ? "" : name;
    images.put(image, picture, "image/jpeg");
    sentence.className = `lv-message lv-${kind}`;
    sentence.role = kind === "failed" ? "alert" : "status";
    sentence.textContent = words;
    sentence.hidden = !words;
    busy(BUSY.has(kind));
  }
  /** The part that changes is busy, not the sentence: a screen reader may keep quiet about what is inside a busy part.
   * @param {boolean} yes
   */
  function busy(yes) {
    el.parentElement?.querySelector(":scope > .lv-outcome")?.setAttribute("aria-busy", String(yes));
  }
  function hear() {
    const state = model.get("state");
    if (awaited && state.request !== awaited) return;
    awaited = "";
    show(state);
  }
  /** @param {CustomEvent<Choice>} event */
  function onChosen(event) {
    if (!(event.target instanceof Element && event.target.closest(".lv-explore")?.contains(el))) return;
    const { request, name, kind } = event.detail;
    awaited = request;
    show({ kind, name, request, words: model.get("sentences")[kind].replace("{name}", () => name) });
  }

  el.classList.add("lv", "lv-status");
  el.replaceChildren(image, sentence);
  document.addEventListener("lesionviz:chosen", onChosen);
  model.on("change:state", hear);
  hear();
  return () => {
    line.release();
    document.removeEventListener("lesionviz:chosen", onChosen);
    model.off("change:state", hear);
    images.release();
  };
}

export default { render };
