// The diagnoses that cannot be left out. The sets for every share of right ones are here at once, so that the slider asks nothing of
// Python; the chosen share is handed over when it is let go, for the kept page.
// @ts-check

/** @param {View<AnswerSetTraits>} view */
function render({ model, el }) {
  const classes = model.get("classes");
  const chips = element("p", { className: "lv-chips" });
  const here = element("p");
  const promise = element("p");
  const range = slider({
    name: "Right sets",
    min: 80,
    max: 99,
    step: 1,
    value: model.get("percent"),
    words: (value) => `${value} of 100`,
    onInput: () => section.show(),
  });
  const body = element("div", { className: "lv-check-body" }, chips, here, range.node, promise);
  /** @param {AnswerSetFound} state */
  function found({ rows }) {
    const row = rows.find(({ percent }) => percent === Number(range.input.value));
    if (!row) return;
    chips.replaceChildren(
      ...row.codes.map((code) => {
        const dot = element("i");
        dot.style.background = classes.find((one) => one.code === code)?.colour ?? "";
        return element("b", {}, dot, code);
      }),
    );
    here.textContent = row.here;
    promise.textContent = row.words;
    section.say(row.badge);
  }
  const section = checkSection(model, el, { body, found });
  here.setAttribute("role", "status");
  range.input.addEventListener("change", () => {
    model.set("percent", Number(range.input.value));
    model.save_changes();
  });
  const turned = () => {
    range.set(model.get("percent"));
    section.show();
  };
  model.on("change:state", section.show);
  model.on("change:percent", turned);
  section.show();
  return () => {
    model.off("change:state", section.show);
    model.off("change:percent", turned);
  };
}

export default { render };
