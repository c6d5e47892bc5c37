// A class's quiz as a learner sees it: a name, the case that all see, the reveal that the teacher makes, the own score. What others
// answered is on the page as numbers, and what the case was not before the reveal. See class_quiz.py.
// @ts-check

const KEPT = "what you answered before is kept on the server";
const QUIET_WORDS = {
  there: `There is no reply from the kernel. If this lasts, reload the page; ${KEPT}.`,
  slow: "What you did last waits until the server answers.",
  busy: "What you did last waits until Python takes it up.",
  away: "What you did last has not arrived yet. It goes on by itself as soon as the connection is back.",
  gone: `Python stopped before what you did last arrived. Reload the page; ${KEPT}.`,
};

/** @param {View<QuizTraits<ClassPage>, Message>} view */
function render({ model, el }) {
  let refusals = model.get("page").refusals ?? 0; // that were seen
  /** @param {ClassPage} page */
  const refused = (page) => page.refusals !== refusals;
  const shell = quizShell({ model, el }, {
    quiet: QUIET_WORDS,
    settles: (done, page) => done.kind === "insist" || refused(page) || (done.kind === "commit" && page.phase === "question" && Boolean(page.answer)),
  });
  const { classes, figure, place, send, say, diagnosis, nameOf } = shell;
  let typed = ""; // a name, before the page changed

  const trouble = element("p", { className: "lv-message lv-error lv-class-trouble", role: "alert", hidden: true });
  el.insertBefore(trouble, el.children[1]); // below the notice
  function warn() {
    refusals = model.get("page").refusals ?? 0;
    const words = model.get("page").error ?? "";
    if (words === trouble.textContent) return;
    trouble.textContent = words;
    trouble.hidden = !words;
    if (words) trouble.scrollIntoView({ block: "nearest" });
  }
  /** @param {HTMLElement} heading @param {(Node | string | null)[]} more */
  const header = (heading, ...more) => element("div", { className: "lv-quiz-header" }, heading, ...more);

  // --- before the first case ----------------------------------------------------------------------------------------
  /** @param {FarPage} page @returns {PageOnView<ClassPage>} */
  function farPage({ words }) {
    const heading = element("h2", { tabIndex: -1, textContent: "Class quiz" });
    return { node: element("div", {}, header(heading), element("p", { className: "lv-empty", role: "status", textContent: words })), heading, words };
  }
  /** @param {JoinPage} page @returns {PageOnView<ClassPage>} */
  function joinPage(page) {
    const heading = element("h2", { tabIndex: -1, textContent: page.name ? "Change your name" : "Join your class" });
    const name = element("input", { type: "text", id: newId(), maxLength: 60, value: typed || page.name, autocomplete: "off" });
    name.addEventListener("input", () => (typed = name.value));
    const join = button(page.name ? "Save" : "Join", () => {}, { type: "submit", className: "lv-primary lv-quiz-big" });
    const form = element(
      "form",
      { className: "lv-quiz-form lv-quiz-card" },
      element("div", { className: "lv-quiz-name" }, element("label", { htmlFor: name.id, textContent: "Your name" }), name),
      element("p", { className: "lv-quiz-soft", textContent: "Your teacher sees this name and your answers; a nickname will do. Without one you get a number." }),
      page.waiting ? element("p", { className: "lv-quiz-soft", textContent: "Were you here before the server was started again? Type the same name, and your answers are there again." }) : null,
      element("div", { className: "lv-row" }, join, page.name ? button("Cancel", () => send({ kind: "stay" })) : null),
    );
    name.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // JupyterLab keeps Enter from sending forms inside a cell
      form.requestSubmit();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (join.disabled) return;
      join.disabled = true;
      send({ kind: "join", learner: name.value });
    });
    /** @param {ClassPage} next */
    const update = (next) => {
      if (next.phase !== "join") return;
      if (refused(next)) join.disabled = false;
    };
    update(page);
    const lead = page.running ? "Your class is playing already: you come in at the case that is on view." : "Your teacher starts the quiz, and everybody sees the same picture at the same time.";
    const node = element("div", { className: "lv-class-narrow" }, header(heading, element("p", { textContent: lead })), form);
    return { node, heading, update, words: heading.textContent ?? "" };
  }
  /** @param {string} wished */
  const namesake = (wished) => (wished ? `Somebody in the class is ${wished} already. ` : "");
  /** @param {WaitPage} page @returns {PageOnView<ClassPage>} */
  function waitPage(page) {
    typed = "";
    const heading = element("h2", { tabIndex: -1, textContent: "Waiting for your teacher" });
    const who = element("p", {}, namesake(page.wished), "You are in the class as ", element("b", { textContent: page.learner }), ". The first case comes by itself; keep this page open.");
    const node = element("div", { className: "lv-class-narrow" }, header(heading), element("div", { className: "lv-quiz-card lv-class-wait" }, who, element("div", { className: "lv-row lv-quiz-form" }, button("Change my name", () => send({ kind: "rename" })))));
    return { node, heading, words: `${namesake(page.wished)}You are in the class as ${page.learner}. Waiting for your teacher.` };
  }

  // --- question -----------------------------------------------------------------------------------------------------
  /** @param {ClassQuestionPage} page @returns {PageOnView<ClassPage>} */
  function questionPage(page) {
    const heading = element("h2", { tabIndex: -1, textContent: `Case ${page.case} of ${page.of}: what is it?` });
    const head = element("p", { className: "lv-quiz-soft" });
    const form = answerForm({ classes, sure: page.sure, onCommit: (answer, sure) => send({ kind: "commit", case: page.case, answer, sure }) });
    const given = element("h3");
    const others = element("p");
    const bar = element("div", { className: "lv-quiz-track" });
    bar.setAttribute("aria-hidden", "true");
    const done = element("div", { className: "lv-quiz-card lv-class-done", hidden: true }, given, others, bar, element("p", { className: "lv-quiz-soft", textContent: "Your answer stands. Your teacher reveals the case for everybody at once." }));
    place(page);
    /** @param {ClassPage} next */
    function update(next) {
      if (next.phase !== "question") return;
      head.textContent = `${next.score.of ? "" : namesake(next.wished)}${headline(next)}`; // said to who comes in meanwhile, too
      if (refused(next)) form.free();
      others.textContent = `Waiting for the others: ${next.answered} of ${next.here} ${next.answered === 1 ? "has" : "have"} answered.`;
      bar.style.setProperty("--lv-done", `${(next.answered / Math.max(1, next.here)) * 100}%`);
      if (!next.answer || !done.hidden) return;
      given.textContent = `You answered ${nameOf(next.answer)} (${next.answer})${next.sureness ? `, and you are ${next.sureness}` : ""}.`;
      const moves = form.node.contains(document.activeElement);
      form.node.hidden = true;
      done.hidden = false;
      if (moves) heading.focus();
      if (shell.hasShown()) say(`You answered ${nameOf(next.answer)}. Waiting for the others.`);
    }
    update(page);
    const node = element(
      "div",
      { className: "lv-quiz-question" },
      header(heading, head, track(page.case - 1, page.of)),
      element("div", { className: "lv-quiz-columns" }, figure, element("div", { className: "lv-quiz-form" }, form.node, done)),
    );
    /** @type {Record<string, () => void>} */
    const keys = Object.fromEntries(Object.entries(form.keys).map(([key, act]) => [key, () => (form.node.hidden ? undefined : act())]));
    return { node, heading, update, keys, words: `Case ${page.case} of ${page.of}. What is it?` };
  }

  // --- reveal -------------------------------------------------------------------------------------------------------
  /** @param {ClassRevealPage} page @returns {PageOnView<ClassPage>} */
  function revealPage(page) {
    const hit = page.truth === page.answer;
    const verdict = page.answer ? (hit ? "✓ Right: it is " : "✗ Not right: it is ") : "It is ";
    const heading = element("h2", { tabIndex: -1, className: page.answer ? (hit ? "lv-hit" : "lv-miss") : "", textContent: `${verdict}${nameOf(page.truth)}` });
    const head = element("p", { className: "lv-quiz-soft" });
    const info = element("div", { className: "lv-quiz-info" });
    let spoken = Boolean(page.model);
    place(page);
    /** @param {ClassPage} next */
    function update(next) {
      if (next.phase !== "reveal") return;
      const kept = info.contains(document.activeElement);
      const found = next.model;
      head.textContent = `Case ${next.case} of ${next.of} · ${headline(next)}`;
      const own = next.answer ? answerRow("You", diagnosis(next.answer), mark(hit), next.sureness ? `, and you were ${next.sureness}` : "") : answerRow("You", undefined, "did not answer this one");
      const insist = found && !diagnosis(found.code) && !found.failed && !found.html && next.map;
      const bars = element("div", { className: "lv-quiz-bars" });
      if (found?.html) bars.innerHTML = found.html; // made by answer.py, which escapes whatever comes from outside
      info.replaceChildren(
        element("dl", { className: "lv-quiz-verdict" }, ...answerRow("Truth", diagnosis(next.truth)), ...own, ...modelRow(found, next.truth, classes, networkName(next.drawn))),
        element("p", { className: "lv-quiz-sentence", textContent: next.sentence }),
        element("section", { className: "lv-class-tally", ariaLabel: "The class" }, element("h3", { textContent: "How the class answered" }), tallyBars(next.tally, next.truth, classes)),
        ...(insist ? [element("div", { className: "lv-row" }, button("Show the model's forced answer and the map", () => send({ kind: "insist", case: next.case })))] : []),
        bars,
        element("p", { className: "lv-quiz-soft", textContent: next.last ? "That was the last case. Your teacher goes on to the results." : "Your teacher goes on to the next case." }),
      );
      if (kept) heading.focus();
      if (!found || spoken) return;
      spoken = true;
      say(`${theModel(next.drawn)}: ${diagnosis(found.code)?.name ?? "no answer"}.`);
    }
    update(page);
    const node = element("div", { className: "lv-quiz-reveal" }, header(heading, head, track(page.case, page.of)), element("div", { className: "lv-quiz-columns" }, figure, info));
    const other = page.model ? ` ${theModel(page.drawn)}: ${diagnosis(page.model.code)?.name ?? "no answer"}.` : "";
    return { node, heading, update, keys: {}, words: `${heading.textContent}.${page.answer ? ` You answered ${nameOf(page.answer)}.` : ""}${other}` };
  }

  // --- results ------------------------------------------------------------------------------------------------------
  /** @param {ClassEndPage} page @returns {PageOnView<ClassPage>} */
  function endPage(page) {
    const { score, cases } = page;
    const heading = element("h2", { tabIndex: -1, textContent: score.of ? `${page.learner}: ${score.right} of ${score.of} right` : `${page.learner}: no case answered` });
    /** @param {string} code @param {string} truth */
    const judged = (code, truth) => (code ? (diagnosis(code) ? `${code}\u00A0${code === truth ? "✓" : "✗"}` : code) : "…");
    const node = element(
      "div",
      { className: "lv-quiz-end" },
      header(heading, element("p", { className: "lv-quiz-soft", textContent: `The quiz is over. ${theModel(page.drawn)} is counted on the cases that you answered.` })),
      score.of ? element("div", { className: "lv-quiz-scores" }, scoreCard(page.learner, score), scoreCard(theModel(page.drawn), score.model)) : null,
      cases.length
        ? element("section", { ariaLabel: "Your answers" }, element("h3", { textContent: "Your answers" }), plainTable(["Case", "It was", "You", networkName(page.drawn)], cases.map((one) => [one.case, `${nameOf(one.truth)} (${one.truth})`, judged(one.answer, one.truth), judged(one.model, one.truth)])))
        : null,
      score.of ? matricesSection(page.matrices, classes) : null,
      element("p", { className: "lv-quiz-soft", textContent: "When your teacher starts another quiz, it begins here by itself." }),
    );
    return { node, heading, words: heading.textContent ?? "" };
  }

  const release = shell.run((page) => {
    if (page.phase === "far") return farPage(page);
    if (page.phase === "join") return joinPage(page);
    if (page.phase === "wait") return waitPage(page);
    if (page.phase === "question") return questionPage(page);
    return page.phase === "reveal" ? revealPage(page) : endPage(page);
  });
  model.on("change:page", warn);
  warn();
  return () => {
    model.off("change:page", warn);
    release();
  };
}

export default { render };
