// A fold to load a second model, and what both models say of the picture on view. The other end is second_panel.py: a file
// goes as in upload.js; {kind: "remove"} takes the model away, {kind: "maps"} asks for both maps under Compare.
// @ts-check

/** @param {View<{state: SecondState}, SecondSaid>} view */
function render({ model, el }) {
  let numbers = 0;
  /** @type {{file: File, id: number} | null} */
  let sent = null; // the file that was chosen last, until Python has said what became of it
  const line = recovery(model, {
    onLine: show,
    onSaid({ arrived }) {
      if (sent && arrived !== sent.id) deliver();
    },
  });

  const input = element("input", { type: "file", accept: ".pth,.pt,.ckpt,.bin,.safetensors", hidden: true });
  input.addEventListener("change", () => {
    const [one] = chosenFiles(input);
    if (!one) return;
    sent = { file: one.file, id: Date.now() * 1000 + (numbers++ % 1000) }; // no other page's number
    show();
    deliver();
  });
  async function deliver() {
    const now = sent;
    if (!now) return;
    try {
      if (now.file.size) await sendFile(model, now.file, { id: now.id, wanted: () => sent === now });
      else model.send({ kind: "file", id: now.id, name: now.file.name, size: 0 });
    } catch {
      sent = null;
      show();
      problem.textContent = `${now.file.name} cannot be read: it was moved or changed meanwhile, or Python has stopped. Choose it again.`;
    }
  }

  const choose = button("Load a checkpoint (.pth)", () => input.click());
  const remove = button("Take it away", () => {
    choose.focus();
    model.send({ kind: "remove" });
  });
  const title = element("span", { className: "lv-second-title" });
  const busy = element("p", { className: "lv-second-busy", role: "status" });
  const problem = element("p", { className: "lv-message lv-error", role: "alert" });
  const about = element("ul", { className: "lv-second-soft" });
  const alike = element("p", { className: "lv-second-warning" });
  const note = element("p", { className: "lv-second-soft" });
  const verdict = element("p", { className: "lv-second-verdict", role: "status" });
  const table = element("table");
  const words = element("div", { className: "lv-second-words" });
  const limits = element("p", { className: "lv-second-soft" });
  const maps = button("See both maps side by side", () => model.send({ kind: "maps" }));
  const compared = element("section", { ariaLabel: "What the two models say" }, verdict, table, words, element("div", { className: "lv-row" }, maps), limits);
  const fold = element(
    "details",
    {},
    element("summary", {}, element("strong", { textContent: "A second model" }), " ", title),
    element("p", { textContent: "Another checkpoint is asked about the same picture, beside the first. It never takes the first one's place: the answer above, its refusal and the quiz's score stay the first one's. It is also asked under Batch and Quiz." }),
    element("div", { className: "lv-row lv-needs-kernel" }, choose, input, remove, busy),
    problem,
    about,
    alike,
    note,
    compared,
  );

  /** @param {number} share */
  const shareWords = (share) => `${(share * 100).toFixed(1)}%`;
  /** @param {number[]} shares */
  function difference([first, second]) {
    const points = ((second - first) * 100).toFixed(1);
    return Number(points) > 0 ? `+${points}` : points.replace("-0.0", "0.0").replace("-", "−");
  }
  /** @param {ComparedModels} page */
  function fill({ models, rows, sentences, verdict: said, limits: cannot, agree }) {
    verdict.textContent = said;
    verdict.classList.toggle("lv-second-apart", agree === false);
    const heads = models.map(({ title: name }) => element("th", { scope: "col", textContent: name }));
    table.replaceChildren(
      element("caption", { textContent: "Probability of each class, and the difference in points" }),
      element("thead", {}, element("tr", {}, element("th", { scope: "col", textContent: "Class" }), ...heads, element("th", { scope: "col", className: "lv-second-points" }, "Points", element("span", { className: "lv-unseen", textContent: ", the second's less the first's" })))),
      element(
        "tbody",
        {},
        ...rows.map(({ code, name, shares, widest }) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, element("b", { textContent: code }), element("span", { textContent: ` ${name}` })),
            ...shares.map((share, index) => element("td", { className: models[index].answer === code ? "lv-second-best" : "" }, shareWords(share), models[index].answer === code ? element("span", { className: "lv-unseen", textContent: ", the answer" }) : null)),
            element("td", { className: `lv-second-points${widest ? " lv-second-widest" : ""}`, textContent: difference(shares) }),
          ),
        ),
      ),
    );
    words.replaceChildren(...sentences.map((textContent) => element("p", { textContent })));
    limits.textContent = cannot;
  }
  function show() {
    const state = model.get("state");
    const lost = sent && isLost(line.trouble());
    busy.textContent = sent && lost ? unansweredWords(line.trouble(), sent.file.name) : state.busy || (sent ? `Sending ${sent.file.name} …` : "");
    problem.textContent = state.problem;
    problem.hidden = !state.problem;
    title.textContent = state.model ? state.model.title : "none";
    remove.hidden = !state.model;
    choose.textContent = state.model ? "Load another checkpoint (.pth)" : "Load a checkpoint (.pth)";
    const told = state.compared?.models ?? (state.model ? [state.model] : []);
    about.replaceChildren(...told.map(({ title: name, words: how }) => element("li", { textContent: `${name}: ${how}` })));
    alike.textContent = state.model?.alike ? `This is ${state.model.alike} as the first model, so it is no second opinion.` : "";
    note.textContent = state.note;
    for (const one of [about, alike, note]) one.hidden = !one.textContent;
    compared.hidden = !state.compared;
    if (state.compared) fill(state.compared);
  }
  const hear = () => {
    const { busy: doing, problem: wrong, model: second } = model.get("state");
    if (!doing && (wrong || second)) sent = null;
    show();
  };

  el.classList.add("lv", "lv-second");
  keepKeys(el);
  el.replaceChildren(fold);
  model.on("change:state", hear);
  hear();
  return () => {
    sent = null;
    line.release();
    model.off("change:state", hear);
  };
}

export default { render };
