// The quiz: start, question, reveal, result. Shows what the kernel puts on the page and sends what the person does; until
// an answer is committed the page holds a photograph and nothing that gives its diagnosis away. See quiz.py.
// @ts-check

const QUIET_WORDS = {
  there: "There is no reply from the kernel. If this lasts, reload the page; answers that were not downloaded are lost then.",
  slow: "What you did last waits until the server answers.",
  busy: "What you did last waits until Python takes it up.",
  away: "What you did last has not arrived yet. It goes on by itself as soon as the connection is back.",
  gone: "Python stopped before what you did last arrived. Reload the page, or run the cell again; answers that were not downloaded are lost.",
};

/** @param {View<QuizTraits, QuizTold>} view */
function render({ model, el }) {
  /** @type {{learner: string, cases?: number}} */
  const draft = { learner: "" }; // what was typed before the page changed
  const shell = quizShell({ model, el }, {
    quiet: QUIET_WORDS,
    settles: (done) => done.kind === "insist",
    onLine: () => picker.onLine(),
    onSaid: (content) => picker.onSaid(content),
  });
  const { classes, images, figure, send, leave, place, say, diagnosis, nameOf } = shell;
  const picker = folderPicker(model, shell.line.trouble);

  // --- start --------------------------------------------------------------------------------------------------------
  /** @param {StartPage} page @returns {PageOnView} */
  function startPage(page) {
    const { set, learners } = page;
    const first = !learners.length;
    const heading = element("h2", { tabIndex: -1, textContent: first ? "What is this lesion?" : "Next learner" });
    const name = element("input", { type: "text", id: newId(), maxLength: 60, value: draft.learner, placeholder: page.suggested, autocomplete: "off" });
    name.addEventListener("input", () => (draft.learner = name.value));
    name.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // JupyterLab keeps Enter from sending forms inside a cell
      form.requestSubmit();
    });
    let cases = Math.min(draft.cases ?? page.cases, set.most);
    const number = slider({
      name: "Cases",
      min: 1,
      max: set.most,
      step: 1,
      value: cases,
      words: (value) => `${value} of ${set.most}`,
      onInput: (value) => (cases = draft.cases = value),
    });
    const begin = button("Start the quiz", () => {}, { type: "submit", className: "lv-primary lv-quiz-big" });
    const study = button("Reader study with these pictures", () => send({ kind: "study" }));
    picker.listen((busy) => (begin.disabled = study.disabled = busy));
    const form = element(
      "form",
      { className: "lv-quiz-form" },
      element("div", { className: "lv-quiz-name" }, element("label", { htmlFor: name.id, textContent: "Name (optional)" }), name),
      first ? number.node : element("p", { textContent: `The same ${page.cases} cases in a new order. The answers so far are kept.` }),
      element("div", { className: "lv-row" }, begin, first ? null : button("Start again", () => send({ kind: "again" })), first ? null : element("span", { className: "lv-quiz-soft", textContent: "Starting again forgets all answers." })),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (begin.disabled) return;
      send({ kind: "start", learner: name.value, ...(first ? { cases } : {}) });
      draft.learner = "";
    });
    const counts = element("ul", { className: "lv-quiz-counts" }, ...classes.map((one) =>
      element("li", {}, element("i", { style: `background:${one.colour}` }), element("b", { textContent: set.counts[one.code].toLocaleString("en") }), ` ${one.name} (${one.code})`)));
    const drawn = set.drawn
      ? element("p", { className: "lv-quiz-drawn", textContent: DRAWINGS })
      : null;
    const problems = set.problems.length
      ? element("details", { open: true }, element("summary", { textContent: "What was left out" }), element("ul", { className: "lv-quiz-problems" }, ...set.problems.map((text) => element("li", { textContent: text }))))
      : null;
    const node = element(
      "div",
      { className: "lv-quiz-start" },
      element("div", { className: "lv-quiz-header" }, heading, element("p", { textContent: "Look at the picture and commit to one of four diagnoses. Only then do you see what it is, what the model answers, and where the model found its evidence. At the end you are compared with the model on the same cases." })),
      page.error ? element("p", { className: "lv-message lv-error", role: "alert", textContent: page.error }) : null,
      element(
        "div",
        { className: "lv-quiz-columns" },
        element("section", { className: "lv-quiz-card", ariaLabel: "This round" }, element("h3", { textContent: set.drawn ? "Drawn samples" : set.name }), counts, drawn, problems, form),
        first
          ? element("div", { className: "lv-quiz-beside" },
              element("section", { className: "lv-quiz-card", ariaLabel: "Your own pictures" }, element("h3", { textContent: "Use your own pictures" }), picker.node,
                element("p", { className: "lv-quiz-soft", textContent: "Up to 200 pictures, one question for each lesion. They go to the program behind this page and nowhere else." }),
                set.drawn ? null : button("Back to the drawn samples", () => send({ kind: "drawn" }))),
              page.study
                ? element("section", { className: "lv-quiz-card", ariaLabel: "Reader study" }, element("h3", { textContent: "Reader study" }),
                    element("p", { textContent: "The quiz as an experiment: several readers, half of the cases with the AI's answer beside them, half without." }), study)
                : null)
          : null,
      ),
    );
    return { node, heading, words: page.error ? "" : `${heading.textContent} ${set.drawn ? "Drawn samples" : set.name}, ${set.most} lesions.` };
  }

  // --- question -----------------------------------------------------------------------------------------------------
  /** @param {QuestionPage} page @returns {PageOnView} */
  function questionPage(page) {
    const heading = element("h2", { tabIndex: -1, textContent: `Case ${page.case} of ${page.of}: what is it?` });
    const stop = button("End the round here", () => leave(stop, "Ending …", { kind: "finish" }), { className: "lv-quiz-quiet" });
    const head = element("p", { className: "lv-quiz-soft" });
    const form = answerForm({ classes, sure: page.sure, more: [stop], onCommit: (answer, sure) => send({ kind: "commit", case: page.case, answer, sure }) });
    place(page);
    /** @param {QuestionPage} next */
    const update = (next) => {
      head.textContent = headline(next);
      stop.hidden = !next.score.of;
    };
    update(page);
    const node = element(
      "div",
      { className: "lv-quiz-question" },
      element("div", { className: "lv-quiz-header" }, heading, head, track(page.score.of, page.of)),
      element("div", { className: "lv-quiz-columns" }, figure, form.node),
    );
    return { node, heading, update, keys: form.keys, words: `Case ${page.case} of ${page.of}. What is it?` };
  }

  /** What the model answers, and a second one, by their names; that has no part in the score.
   * @param {RevealedPage} page
   */
  const modelRows = ({ second, model: first, truth, drawn }) => {
    const own = modelRow(first, truth, classes, networkName(drawn));
    if (!second) return own;
    const apart = first && diagnosis(first.code) && diagnosis(second.code) && first.code !== second.code;
    const row = modelRow(second, truth, classes, "Second model");
    own[1].append(element("small", { textContent: second.first }));
    row[1].append(element("small", { textContent: `${second.title}${apart ? "; the models disagree" : ""}` }));
    return [...own, ...row];
  };

  // --- reveal, and looking again ------------------------------------------------------------------------------------
  /** @param {RevealedPage} page @returns {PageOnView} */
  function revealPage(page) {
    const again = page.phase === "look";
    const hit = page.truth === page.answer;
    const heading = element("h2", { tabIndex: -1, className: hit ? "lv-hit" : "lv-miss", textContent: `${hit ? "✓ Right" : "✗ Not right"}: it is ${nameOf(page.truth)}` });
    const head = element("p", { className: "lv-quiz-soft" });
    const info = element("div", { className: "lv-quiz-info" });
    let forward = button("", () => {}); // drawn anew with each update
    const go = () => leave(forward, "One moment …", again ? { kind: "back" } : { kind: "next", case: page.case });
    let spoken = false;
    /** @param {RevealedPage} next */
    function update(next) {
      const kept = info.contains(document.activeElement);
      const found = next.model;
      head.textContent = `Case ${next.case} of ${next.of} · ${headline(next)}`;
      forward = button(again ? "Back to the result" : next.last ? "To the result" : "Next case", go, { className: "lv-primary lv-quiz-big" });
      const refused = found && !diagnosis(found.code) && !found.failed && !found.html;
      const more = element("div", { className: "lv-quiz-bars" });
      if (found?.html) more.innerHTML = found.html; // made by answer.py, which escapes whatever comes from outside
      info.replaceChildren(
        element("dl", { className: "lv-quiz-verdict" }, ...answerRow("Truth", diagnosis(next.truth)), ...answerRow("You", diagnosis(next.answer), mark(hit), next.sureness ? `, and you were ${next.sureness}` : ""), ...modelRows(next)),
        element("p", { className: "lv-quiz-sentence", textContent: next.sentence }),
        element("div", { className: "lv-row" }, forward, ...(refused ? [button("Show its forced answer and the map", () => send({ kind: "insist", case: next.case }))] : [])),
        more,
        element("p", { className: "lv-quiz-soft", textContent: `${again ? "" : "Key: N goes on. "}Picture: ${next.image}` }),
      );
      if (kept) heading.focus();
      if (found && !spoken) {
        spoken = true;
        if (shell.hasShown()) say(`${theModel(next.drawn)}: ${diagnosis(found.code)?.name ?? "no answer"}.`);
      }
    }
    place(page);
    spoken = Boolean(page.model);
    update(page);
    const node = element(
      "div",
      { className: "lv-quiz-reveal" },
      element("div", { className: "lv-quiz-header" }, heading, head, track(page.score.of, page.of)),
      element("div", { className: "lv-quiz-columns" }, figure, info),
    );
    const answer = page.model ? ` ${theModel(page.drawn)}: ${diagnosis(page.model.code)?.name ?? "no answer"}.` : "";
    return { node, heading, update, keys: { n: go, N: go }, words: `${hit ? "Right" : "Not right"}: it is ${nameOf(page.truth)}. You answered ${nameOf(page.answer)}.${answer}` };
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  /** @param {QuizPage} page */
  function pageOf(page) {
    if (page.phase === "start") return startPage(page);
    if (page.phase === "question") return questionPage(page);
    if (page.phase === "end") return resultPage(page, { classes, images, send });
    return revealPage(page);
  }
  /** @param {QuizTold} content */
  const onTold = (content) => {
    if (content.kind === "turned") shell.settle();
    if (content.kind !== "csv") return;
    shell.settle();
    download(content.name, `\uFEFF${content.text}`, "text/csv"); // the mark tells spreadsheets that it is UTF-8
    say("The answers are saved.");
  };
  model.on("msg:custom", onTold);
  const release = shell.run(pageOf);
  return () => {
    model.off("msg:custom", onTold);
    picker.release();
    release();
  };
}

export default { render };
