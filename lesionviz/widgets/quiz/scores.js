// Scores and confusion matrices, as the results of a quiz show them.
// @ts-check

const DRAWINGS = "These are drawings, made by a program with the structures that name each diagnosis. A small network that was trained on drawings alone answers for them; it knows no photographs, and the model for photographs takes no part.";
/** Who answers beside people: for drawings another one than for photographs.
 * @param {boolean} drawn
 */
const theModel = (drawn) => (drawn ? "The small network" : "The model");
/** The same as the name of a row or column.
 * @param {boolean} drawn
 */
const networkName = (drawn) => (drawn ? "Small network" : "Model");

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

/** Confusion matrices side by side, and how to read them.
 * @param {Matrix[]} matrices
 * @param {LesionClass[]} classes
 */
function matricesSection(matrices, classes) {
  const note = "“no answer”: the model refused the picture, or failed on it. That counts as neither right nor wrong.";
  return element(
    "section",
    { ariaLabel: "Confusion matrices" },
    element("h3", { textContent: "What was taken for what" }),
    element("p", { className: "lv-quiz-soft", textContent: "Each row is a true diagnosis, each column an answer; right answers are outlined. Codes: " + classes.map(({ code, name }) => `${code} ${name}`).join(", ") + "." }),
    element("div", { className: "lv-quiz-matrices" }, ...matrices.map((one) => matrixTable(one, classes, one.who === "model" ? note : ""))),
  );
}

/** A table with a heading for each row.
 * @param {string[]} heads
 * @param {(string | number)[][]} rows
 */
const plainTable = (heads, rows) =>
  element(
    "table",
    { className: "lv-quiz-table" },
    element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col", textContent: text })))),
    element("tbody", {}, ...rows.map(([first, ...rest]) => element("tr", {}, element("th", { scope: "row", textContent: first }), ...rest.map((value) => element("td", { textContent: value }))))),
  );

/** How many of a class answered what; the truth is marked.
 * @param {Record<string, number>} tally
 * @param {string} truth
 * @param {LesionClass[]} classes
 */
function tallyBars(tally, truth, classes) {
  const of = Object.values(tally).reduce((a, b) => a + b, 0);
  return element(
    "ul",
    { className: "lv-tally", ariaLabel: "How the class answered" },
    ...classes.map(({ code, name }) => {
      const bar = element("span", { className: "lv-tally-bar" }, element("i"));
      bar.style.setProperty("--lv-share", `${of ? (tally[code] / of) * 100 : 0}%`);
      return element("li", { className: code === truth ? "lv-hit" : "" }, element("span", {}, code === truth ? "✓ " : "", name, " ", element("small", { textContent: code })), bar, element("b", { textContent: tally[code] }));
    }),
  );
}
