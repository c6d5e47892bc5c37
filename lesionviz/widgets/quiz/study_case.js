// A reader at a case of a study: the picture, the AI's answer where it belongs to it, the answer form, pauses, the end.
// @ts-check

/** What a page of a case needs of the frame (quiz_shell.js).
 * @typedef {{classes: LesionClass[], images: Pictures, figure: HTMLElement, place: (page: StudyCase) => void, send: StudySend}} StudyFrame
 */

/** @param {StudyTurn} page @returns {HTMLElement} */
const studyHead = (page) => element("p", { className: "lv-quiz-soft", textContent: `${page.reader} · ${page.withAi ? "with the AI's answer" : "without the AI"}` });
/** Ways out of a case for good or for today.
 * @param {StudyTurn} page
 * @param {StudySend} send
 */
const waysOut = (page, send) =>
  element("div", { className: "lv-study-out" }, button("Stop here, go on later", () => send({ kind: "leave" }), { className: "lv-quiz-quiet" }), withdrawal(page.reader, page.case - 1, () => send({ kind: "withdraw", reader: page.quiz })));

/** The AI's answer, or why there is none.
 * @param {NonNullable<StudyCase["ai"]>} ai
 */
function aiCard(ai) {
  const said = element("div", { className: "lv-quiz-bars", textContent: ai.html ? "" : ai.words });
  if (ai.html) said.innerHTML = ai.html; // made by answer.py, which escapes whatever comes from outside
  return element("section", { className: "lv-quiz-card lv-study-ai", ariaLabel: "The AI's answer" }, said);
}
/** The AI's map, small, below the photograph.
 * @param {NonNullable<StudyCase["ai"]>} ai
 * @param {Pictures} images
 */
function aiMap(ai, images) {
  const map = element("img", { alt: `The AI's map over the photograph. ${ai.words}` });
  images.put(map, ai.overlay, "image/jpeg");
  return element("figure", { className: "lv-study-map" }, map, element("figcaption", { className: "lv-quiz-soft", textContent: `The AI's map. ${ai.words}` }));
}

/** @param {StudyPage & StudyCase} page @param {StudyFrame} frame @returns {PageOnView<StudyPage>} */
function casePage(page, { classes, images, figure, place, send }) {
  const heading = element("h2", { tabIndex: -1, textContent: `Case ${page.case} of ${page.of}: what is it?` });
  const pause = () => send({ kind: "pause", case: page.case });
  const form = answerForm({
    classes,
    sure: page.sure,
    both: true,
    more: [button("Pause", pause, { className: "lv-quiz-quiet", title: "Hides the picture and stops the clock" })],
    onCommit: (answer, sure) => send({ kind: "commit", case: page.case, answer, sure }),
  });
  place(page);
  const error = element("div");
  /** @param {StudyPage} next */
  const update = (next) => {
    error.replaceChildren(...[studyError(next.error)].filter((node) => node !== null));
    if (next.error) form.free();
  };
  update(page);
  const node = element(
    "div",
    { className: "lv-quiz-question lv-study-case" },
    element("div", { className: "lv-quiz-header" }, heading, studyHead(page), track(page.case - 1, page.of)),
    error,
    element(
      "div",
      { className: "lv-quiz-columns" },
      element("div", { className: "lv-study-side" }, figure, page.ai?.html ? aiMap(page.ai, images) : null),
      element("div", { className: "lv-study-side" }, page.ai ? aiCard(page.ai) : null, form.node, waysOut(page, send)),
    ),
  );
  return { node, heading, update, keys: form.keys, words: `Case ${page.case} of ${page.of}, ${page.withAi ? "with the AI's answer" : "without the AI"}. What is it?` };
}

/** @param {StudyPage & StudyWaits} page @param {StudySend} send @returns {PageOnView<StudyPage>} */
function waitsPage(page, send) {
  const paused = page.phase === "paused";
  const heading = element("h2", { tabIndex: -1, textContent: paused ? "Paused" : `Case ${page.case} of ${page.of}` });
  const words = paused ? "The picture is hidden and the clock stands still." : "The AI is looking at the picture. You see both together; your time begins then.";
  const node = element(
    "div",
    { className: "lv-study-narrow" },
    element("div", { className: "lv-quiz-header" }, heading, studyHead(page), track(page.case - 1, page.of)),
    studyError(page.error),
    element("p", { textContent: words }),
    paused ? element("div", { className: "lv-row" }, button("Go on", () => send({ kind: "resume" }), { className: "lv-primary lv-quiz-big" })) : null,
    waysOut(page, send),
  );
  return { node, heading, words: `${heading.textContent}. ${words}` };
}

/** @param {StudyPage & StudyDone} page @param {StudySend} send @returns {PageOnView<StudyPage>} */
function donePage(page, send) {
  const heading = element("h2", { tabIndex: -1, textContent: `Thank you, ${page.reader}` });
  const words = `You have read all ${page.of} cases. What they were is shown when the study ends, so that nobody after you knows more than you did.`;
  const node = element(
    "div",
    { className: "lv-study-narrow" },
    element("div", { className: "lv-quiz-header" }, heading),
    studyError(page.error),
    element("p", { textContent: words }),
    element("div", { className: "lv-row" }, button("Hand over to the next reader", () => send({ kind: "leave" }), { className: "lv-primary lv-quiz-big" })),
    withdrawal(page.reader, page.of, () => send({ kind: "withdraw", reader: page.quiz })),
  );
  return { node, heading, words: `${heading.textContent}. ${words}` };
}
