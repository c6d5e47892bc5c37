// The end of a reader study: the debrief, which comes before anything is saved, then figures, agreement and tables to save.
// @ts-check

/** @param {StudyPage & StudyDebrief} page @param {LesionClass[]} classes @param {StudySend} send @returns {PageOnView<StudyPage>} */
function debriefPage(page, classes, send) {
  const { wrong, of } = page;
  const { nameOf } = wordsOf(classes);
  const heading = element("h2", { tabIndex: -1, textContent: "Debrief: for every reader" });
  const count = wrong.length;
  const words = count
    ? `In ${plural(count, "case")} of ${of}, the AI's answer was made wrong on purpose, to see how far readers follow it:`
    : `The AI was never made wrong on purpose: in all ${of} cases its answer was the model's own, right or wrong.`;
  /** @param {string} code */
  const said = (code) => (code ? nameOf(code) : "not shown to anybody");
  const node = element(
    "div",
    { className: "lv-study-debrief" },
    element("div", { className: "lv-quiz-header" }, heading, element("p", { textContent: words })),
    studyError(page.error),
    count
      ? element("div", { className: "lv-study-scroll", tabIndex: 0, role: "group", ariaLabel: "Cases with a deliberately wrong AI" }, plainTable(["Case", "Picture", "It is", "The AI was made to say", "The model itself says"], wrong.map((one) => [one.case, one.image, nameOf(one.truth), said(one.ai), one.ai ? nameOf(one.model) : "–"])))
      : null,
    count ? element("p", { className: "lv-quiz-soft", textContent: page.rule }) : null,
    element("p", { textContent: "Show or tell this to everybody who took part. Who wants to withdraw now still can, on the next page; tell those who are not here that they can." }),
    studyDrawn(page.drawn),
    element("div", { className: "lv-row" }, button("The debrief was shown: to the results", () => send({ kind: "told" }), { className: "lv-primary lv-quiz-big" })),
  );
  return { node, heading, words: `${heading.textContent}. ${words}` };
}

/** A figure with its interval in words.
 * @param {Measured} measured
 * @param {{unit: string, sign?: boolean, digits?: number}} options
 */
function measuredWords([value, low, high], { unit, sign = false, digits = unit ? 0 : 1 }) {
  if (value === null) return "–";
  const times = unit ? 100 : 1;
  /** @param {number} number */
  const one = (number) => {
    const text = Math.abs(number * times).toFixed(digits);
    const minus = number < 0 && Number(text) !== 0;
    return `${minus ? "−" : sign && Number(text) !== 0 ? "+" : ""}${text}`;
  };
  const bounds = low === null || high === null ? "" : ` (${one(low)}\u00A0to\u00A0${one(high)})`;
  return `${one(value)}${unit && !sign ? " %" : ""}${bounds}`;
}

/** @param {StudyPage & StudyEnd} page @param {LesionClass[]} classes @param {StudySend} send @returns {PageOnView<StudyPage>} */
function studyResultPage(page, classes, send) {
  const { found } = page;
  const heading = element("h2", { tabIndex: -1, textContent: "What came out" });
  const none = page.computing ? "The intervals are being computed …" : "Nobody's answers are left.";
  const counts = found ? `${plural(found.counts.readers, "reader")}, ${plural(found.counts.cases, "case")}, ${plural(found.counts.answers, "answer")}${page.withdrawn ? `; ${page.withdrawn} withdrawn` : ""}` : none;
  const arms = { all: "All answers", without: "Without the AI", with: "With the AI" };
  const accuracy = found?.figures[0];
  /** @param {string} label @param {HTMLElement} table */
  const scroll = (label, table) => element("div", { className: "lv-study-scroll", tabIndex: 0, role: "group", ariaLabel: label }, table);
  const save = found
    ? element(
        "div",
        { className: "lv-row lv-quiz-actions" },
        button("Save answers (CSV)", () => send({ kind: "csv", what: "answers" }), { className: "lv-primary" }),
        button("Save results (CSV)", () => send({ kind: "csv", what: "results" })),
        button("Save design (CSV)", () => send({ kind: "csv", what: "design" })),
      )
    : null;
  const figures = found
    ? [
        element(
          "section",
          { ariaLabel: "With the AI and without" },
          element("h3", { textContent: "With the AI and without" }),
          scroll("With the AI and without", plainTable(["Figure", "Without the AI", "With the AI", "With − without"], found.figures.map((one) => [one.name, measuredWords(one.without, one), measuredWords(one.with, one), measuredWords(one.difference, { ...one, sign: true })]))),
          element("p", { className: "lv-quiz-soft", textContent: "In brackets 95 % intervals, bootstrapped over readers and cases together; differences of shares in percentage points. Cases in which the AI was made wrong count in their own row only." }),
        ),
        element(
          "section",
          { ariaLabel: "How far readers agree" },
          element("h3", { textContent: "How far readers agree" }),
          scroll("How far readers agree", plainTable(["Answers", "Krippendorff's alpha"], found.agreement.map((one) => [arms[one.arm], measuredWords(one.value, { unit: "", digits: 2 })]))),
          element("p", { className: "lv-quiz-soft", textContent: "1 is full agreement, 0 what chance would give. “–”: no case was read by two in this way; that takes three readers or more." }),
        ),
        matricesSection(found.matrices, classes),
        element(
          "section",
          { ariaLabel: "Each reader" },
          element("h3", { textContent: "Each reader" }),
          scroll("Each reader", plainTable(["Reader", "Right without the AI", "Right with the AI"], found.byReader.map((one) => [one.reader, `${measuredWords([one.without, null, null], { unit: "%" })} of ${one.of_without}`, `${measuredWords([one.with, null, null], { unit: "%" })} of ${one.of_with}`]))),
        ),
      ]
    : [];
  const node = element(
    "div",
    { className: "lv-quiz-end lv-study-end" },
    element("div", { className: "lv-quiz-header" }, heading, element("p", { className: "lv-quiz-soft", textContent: counts }), element("p", { textContent: page.limits })),
    studyError(page.error),
    studyDrawn(page.drawn),
    save,
    ...figures,
    page.readers.length
      ? element(
          "section",
          { ariaLabel: "Withdrawing" },
          element("h3", { textContent: "Who wants to withdraw" }),
          element("ul", { className: "lv-study-readers" }, ...page.readers.map((one) => element("li", { className: "lv-study-reader" }, element("b", { textContent: one.name }), element("span", { textContent: plural(one.done, "answer") }), withdrawal(one.name, one.done, () => send({ kind: "withdraw", reader: one.place }))))),
        )
      : null,
    element("div", { className: "lv-row" }, backToQuiz(page, send)),
    askedTwice("Delete the study", "All answers are deleted with the file. Save the tables first.", "Delete the study with all answers", () => send({ kind: "delete" })),
    studyPlace(page.file),
  );
  const spoken = accuracy ? ` ${accuracy.name}: ${measuredWords(accuracy.without, accuracy)} without the AI, ${measuredWords(accuracy.with, accuracy)} with it.` : "";
  return { node, heading, words: `${heading.textContent}. ${counts}.${spoken}` };
}
