// The quiz's last page: scores, confusion matrices side by side, and the cases to look at again.
// @ts-check

/** A confusion matrix: rows are true, columns answered. The right answers are on the diagonal, outlined and bold.
 * @param {Matrix} matrix
 * @param {LesionClass[]} classes
 * @param {string} [note]
 */
function matrixTable({ title, columns, counts }, classes, note) {
  /** @param {string} code */
  const nameOf = (code) => classes.find((one) => one.code === code)?.name ?? "the model gave no answer";
  const heads = columns.map((code) => element("th", { scope: "col", title: nameOf(code), textContent: code }));
  const rows = classes.map(({ code, name }, row) => {
    const total = counts[row].reduce((a, b) => a + b, 0);
    const cells = counts[row].map((count, column) => {
      const cell = element("td", { textContent: count, className: columns[column] === code ? "lv-right" : "" });
      cell.style.setProperty("--lv-share", `${total ? Math.round((count / total) * 40) : 0}%`);
      if (count) cell.title = `${count} of ${total} ${name}: answered ${nameOf(columns[column])}`;
      return cell;
    });
    return element("tr", {}, element("th", { scope: "row", title: name, textContent: code }), ...cells, element("td", { className: "lv-total", textContent: total }));
  });
  return element(
    "figure",
    { className: "lv-quiz-matrix" },
    element(
      "table",
      {},
      element("caption", { textContent: title }),
      element("thead", {}, element("tr", {}, element("th", { scope: "col", textContent: "True" }), ...heads, element("th", { scope: "col", textContent: "Cases" }))),
      element("tbody", {}, ...rows),
    ),
    note ? element("figcaption", { textContent: note }) : null,
  );
}

/** One score as a number and a bar of right, wrong and, for the model, not answered.
 * @param {string} name
 * @param {Score & Partial<ModelScore>} score
 */
function scoreCard(name, { right, of, none = 0, waiting = 0 }) {
  const parts = [`${right} right`, `${of - right - none} wrong`];
  if (none) parts.push(`${none} without an answer`);
  if (waiting) parts.push(`still looking at ${waiting}`);
  const bar = element("div", { className: "lv-quiz-bar" });
  bar.setAttribute("aria-hidden", "true"); // the words say the same
  for (const [kind, count] of Object.entries({ right, wrong: of - right - none, none })) {
    if (count) bar.append(element("i", { className: `lv-part-${kind}`, style: `flex-grow: ${count}` }));
  }
  return element(
    "div",
    { className: "lv-quiz-card" },
    element("p", { className: "lv-quiz-who", textContent: name }),
    element("p", { className: "lv-quiz-number" }, ...(of > none || !of ? [element("b", { textContent: right }), ` of ${of - none}`] : ["no answer"])),
    bar,
    element("p", { className: "lv-quiz-soft", textContent: parts.join(" · ") }),
  );
}

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
  const words = `${heading.textContent}. The model on the same cases: ${model.right} of ${model.of - model.none} right${model.none ? `, ${model.none} without an answer` : ""}.`;
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
      ariaLabel: `Look at case ${one.case} again: ${nameOf(one.truth)}, answered ${nameOf(one.answer)}, model ${one.model ? nameOf(one.model) : "still looking"}`,
    });
    look.append(picture, element("span", {}, element("b", { textContent: `Case ${one.case}: ${one.truth}` }), element("br"), `you ${one.answer} ${verdict} · model ${its}`));
    return look;
  };
  /** @param {AnsweredCase[]} cases */
  const list = (cases) => element("ul", { className: "lv-quiz-cases" }, ...cases.map((one) => element("li", {}, caseButton(one))));
  const note = "“no answer”: the model refused the picture, or failed on it. That counts as neither right nor wrong.";
  const node = element(
    "div",
    { className: "lv-quiz-end" },
    element("div", { className: "lv-quiz-header" }, heading, element("p", { className: "lv-quiz-soft", textContent: "Compared with the model on the same cases." })),
    page.error ? element("p", { className: "lv-message lv-error", role: "alert", textContent: page.error }) : null,
    element("div", { className: "lv-quiz-scores" }, scoreCard(page.learner, score), scoreCard("The model", model)),
    element(
      "section",
      { ariaLabel: "Confusion matrices" },
      element("h3", { textContent: "What was taken for what" }),
      element("p", { className: "lv-quiz-soft", textContent: "Each row is a true diagnosis, each column an answer; right answers are outlined. Codes: " + classes.map(({ code, name }) => `${code} ${name}`).join(", ") + "." }),
      element("div", { className: "lv-quiz-matrices" }, ...page.matrices.map((one) => matrixTable(one, classes, one.who === "model" ? note : ""))),
    ),
    learners.length > 1
      ? element(
          "section",
          { ariaLabel: "Scores of the class" },
          element("h3", { textContent: "The class" }),
          element(
            "table",
            { className: "lv-quiz-table" },
            element("thead", {}, element("tr", {}, element("th", { scope: "col", textContent: "Learner" }), element("th", { scope: "col", textContent: "Right" }), element("th", { scope: "col", textContent: "Cases" }))),
            element("tbody", {}, ...learners.map((one) => element("tr", {}, element("th", { scope: "row", textContent: one.name }), element("td", { textContent: one.right }), element("td", { textContent: one.of })))),
          ),
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
