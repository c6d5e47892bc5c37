// The last page of the quiz for one: scores, confusion matrices side by side, and the cases to look at again.
// @ts-check

/** The last page; `send` tells Python what the person does next.
 * @param {EndPage} page
 * @param {{classes: LesionClass[], images: Pictures, send: (message: QuizMessage) => void}} quiz
 * @returns {PageOnView}
 */
function resultPage(page, { classes, images, send }) {
  /** @param {string} code */
  const nameOf = (code) => classes.find((one) => one.code === code)?.name ?? code;
  const { score, learners } = page;
  const heading = element("h2", { tabIndex: -1, textContent: `${page.learner}: ${score.right} of ${score.of} right` });
  const model = score.model;
  const words = `${heading.textContent}. ${theModel(page.drawn)} on the same cases: ${model.right} of ${model.of - model.none} right${model.none ? `, ${model.none} without an answer` : ""}.`;
  const missed = page.cases.filter((one) => one.truth !== one.answer);
  const right = page.cases.filter((one) => one.truth === one.answer);
  /** @param {AnsweredCase} one */
  const caseButton = (one) => {
    const picture = element("img", { alt: "" });
    images.put(picture, one.thumbnail, "image/jpeg");
    const verdict = one.truth === one.answer ? "✓" : "✗";
    const its = one.model ? (one.model.length > 3 ? one.model : `${one.model} ${one.model === one.truth ? "✓" : "✗"}`) : "…";
    const look = button("", () => send({ kind: "look", case: one.case }), {
      className: "lv-quiz-case",
      ariaLabel: `Look at case ${one.case} again: ${nameOf(one.truth)}, answered ${nameOf(one.answer)}, ${networkName(page.drawn).toLowerCase()} ${one.model ? nameOf(one.model) : "still looking"}`,
    });
    look.append(picture, element("span", {}, element("b", { textContent: `Case ${one.case}: ${one.truth}` }), element("br"), `you ${one.answer} ${verdict} · ${networkName(page.drawn).toLowerCase()} ${its}`));
    return look;
  };
  /** @param {AnsweredCase[]} cases */
  const list = (cases) => element("ul", { className: "lv-quiz-cases" }, ...cases.map((one) => element("li", {}, caseButton(one))));
  const node = element(
    "div",
    { className: "lv-quiz-end" },
    element("div", { className: "lv-quiz-header" }, heading, element("p", { className: "lv-quiz-soft", textContent: `Compared with ${theModel(page.drawn).toLowerCase()} on the same cases.` })),
    page.error ? element("p", { className: "lv-message lv-error", role: "alert", textContent: page.error }) : null,
    element("div", { className: "lv-quiz-scores" }, scoreCard(page.learner, score), scoreCard(theModel(page.drawn), model)),
    matricesSection(page.matrices, classes),
    learners.length > 1
      ? element(
          "section",
          { ariaLabel: "Scores of the class" },
          element("h3", { textContent: "The class" }),
          plainTable(["Learner", "Right", "Cases"], learners.map((one) => [one.name, one.right, one.of])),
        )
      : null,
    element(
      "section",
      { ariaLabel: "Cases to look at again" },
      element("h3", { textContent: missed.length ? "Missed: look again" : "Nothing missed" }),
      missed.length ? list(missed) : null,
      right.length ? element("details", { open: !missed.length }, element("summary", { textContent: `Recognised (${right.length})` }), list(right)) : null,
    ),
    page.leftOut.length ? element("ul", { className: "lv-quiz-problems" }, ...page.leftOut.map((text) => element("li", { textContent: `Left out: ${text}` }))) : null,
    element(
      "div",
      { className: "lv-row lv-quiz-actions" },
      button("Next learner", () => send({ kind: "learner" }), { className: "lv-primary" }),
      button("Download answers (CSV)", () => send({ kind: "csv" })),
      button("Start again", () => send({ kind: "again" })),
      element("span", { className: "lv-quiz-soft", textContent: "Starting again forgets all answers; download them first." }),
    ),
  );
  return { node, heading, words };
}
