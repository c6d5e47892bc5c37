// A dot for each variant: its height is the probability that the first answer keeps, its colour the class that the variant is
// answered with. Each is a radio button; the chosen variant's picture comes from Python ({kind: "variant", name}).
// @ts-check

/** @param {View<CheckTraits<StillnessFound>>} view */
function render({ model, el }) {
  const classes = model.get("classes");
  const images = pictures();
  const name = newId();
  const key = element("p", { className: "lv-check-soft" });
  const columns = element("div", { className: "lv-strip-columns" });
  const legend = element("legend", { className: "lv-unseen" });
  const strip = element("fieldset", { className: "lv-strip lv-needs-kernel" }, legend, columns);
  const worst = button("Show the worst", () => choose(model.get("state")), { className: "lv-needs-kernel" });
  const [seen, changed] = [element("img"), element("img")];
  const [seenWords, changedWords] = [element("span"), element("span", { role: "status" })];
  const beside = element(
    "div",
    { className: "lv-check-beside" },
    element("figure", { className: "lv-check-figure" }, seen, element("figcaption", {}, seenWords)),
    element("figure", { className: "lv-check-figure" }, changed, element("figcaption", {}, changedWords)),
  );
  const generally = element("p", { className: "lv-check-soft" });
  const body = element("div", { className: "lv-check-body" }, key, strip, worst, beside, generally);
  let drawn = ""; // what the dots were made of

  /** @param {StillnessFound | UnfoundState} state */
  function choose(state) {
    if (state.kind === "found") model.send({ kind: "variant", name: state.worst });
  }
  /** @param {string} code */
  const classOf = (code) => classes.find((one) => one.code === code);

  /** @param {StillnessFound} state */
  function found(state) {
    const made = JSON.stringify(state.variants);
    if (made !== drawn) drawStrip(state); // not at every choice: the focus is on one of them
    drawn = made;
    for (const input of columns.querySelectorAll("input")) input.checked = input.value === state.shown;
    worst.hidden = state.shown === state.worst && focusIn(el) !== worst; // the focus stays where it is
    images.put(seen, state.seen, "image/png");
    images.put(changed, state.picture, "image/png");
    seenWords.textContent = `As it is: ${classOf(state.diagnosis)?.name} ${percent(state.confidence)}`;
    changedWords.textContent = state.caption;
    generally.textContent = state.generally;
    seen.alt = "What the network saw";
    changed.alt = `The same, ${state.shown}`;
  }
  /** @param {StillnessFound} state */
  function drawStrip({ variants, diagnosis }) {
    const own = classOf(diagnosis)?.name ?? diagnosis;
    legend.textContent = `Variants, by the probability of ${own}`;
    const counts = classes.map(({ code, colour }) => ({ code, colour, count: variants.filter((each) => each.diagnosis === code).length }));
    key.replaceChildren(
      `Height: probability of ${own}, 0 to 100%. Answered: `,
      ...counts
        .filter(({ count }) => count)
        .map(({ code, colour, count }) => {
          const dot = element("i", { className: "lv-strip-dot" });
          dot.style.background = colour;
          return element("span", { className: "lv-strip-key" }, dot, `${code} ${count}`);
        }),
    );
    columns.replaceChildren(
      ...variants.map((each) => {
        const input = element("input", { type: "radio", name, value: each.name });
        input.setAttribute("aria-label", each.words);
        input.addEventListener("change", () => model.send({ kind: "variant", name: each.name }));
        const dot = element("i", { className: "lv-strip-dot" });
        dot.style.background = classOf(each.diagnosis)?.colour ?? "";
        dot.style.bottom = `${100 * each.probability}%`;
        return element("label", { title: each.words, className: each.diagnosis === diagnosis ? "" : "lv-strip-other" }, input, element("span", {}, dot));
      }),
    );
  }
  return followState(model, checkSection(model, el, { body, found }), images);
}

export default { render };
