// What every section of "Can I trust this answer?" has: a heading with a badge, a question, a button, the finding, and what it
// can and cannot show. Python tells the state; the button asks ({kind: "ask"}).
// @ts-check

/** Draw a section and keep it as the state is. `found(state)` fills what a finding shows besides its words.
 * @template {FoundState} Found
 * @param {Pick<Model<CheckTraits<Found>>, "get" | "send">} model
 * @param {HTMLElement} el
 * @param {{body: HTMLElement, found: (state: Found) => void}} own
 */
function checkSection(model, el, { body, found }) {
  const texts = model.get("texts");
  const id = newId();
  const badge = element("span", { className: "lv-check-badge" });
  const words = element("p", { className: "lv-check-words" });
  const spoken = element("div", { role: "status" }, words);
  const ask = texts.button ? button(texts.button, press, { title: texts.cost ?? "" }) : null;
  const section = element(
    "section",
    { className: "lv-check" },
    element("div", { className: "lv-check-head" }, element("h3", { id, textContent: texts.title }), badge),
    texts.question ? element("p", { className: "lv-check-soft", textContent: texts.question }) : null,
    ask && element("div", { className: "lv-row lv-needs-kernel" }, ask, element("span", { className: "lv-check-soft", textContent: texts.cost ?? "" })),
    spoken,
    body,
    element("p", { className: "lv-check-soft", textContent: texts.limits }),
    texts.rule ? element("details", {}, element("summary", { textContent: "How it is judged" }), element("p", { textContent: texts.rule })) : null,
  );
  section.setAttribute("aria-labelledby", id);

  function press() {
    if (model.get("state").kind !== "asking") model.send({ kind: "ask" });
  }
  function show() {
    const state = model.get("state");
    el.hidden = state.kind === "none";
    section.ariaBusy = String(state.kind === "asking");
    ask?.setAttribute("aria-disabled", String(state.kind === "asking"));
    words.textContent = state.words;
    words.hidden = !state.words;
    body.hidden = state.kind !== "found";
    say(state.kind === "found" ? (state.badge ?? "") : "");
    if (state.kind === "found") found(state);
  }
  /** @param {string} text @param {string} [kind] */
  function say(text, kind = "") {
    badge.textContent = text;
    badge.dataset.verdict = kind;
    badge.hidden = !text;
  }
  el.classList.add("lv", "lv-check-box");
  keepKeys(el);
  el.replaceChildren(section);
  return { show, say, spoken };
}

/** Keep a section as the state is, from now until what is returned is called.
 * @param {Pick<Model<CheckTraits<FoundState>>, "on" | "off">} model
 * @param {{show: () => void}} section
 * @param {{release: () => void}} images
 */
function followState(model, section, images) {
  model.on("change:state", section.show);
  section.show();
  return () => {
    model.off("change:state", section.show);
    images.release();
  };
}
