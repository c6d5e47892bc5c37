// A reader study between readers: how it is set up, who takes part, and what a reader agrees to.
// @ts-check

/** What an error of the last move says, if there was one.
 * @param {string} error
 */
const studyError = (error) => (error ? element("p", { className: "lv-message lv-error", role: "alert", textContent: error }) : null);
/** Where the study lies.
 * @param {string} file
 */
const studyPlace = (file) => element("p", { className: "lv-quiz-soft" }, "The study is kept in ", element("code", { textContent: file }), ", on this computer and nowhere else.");
/** @param {boolean} drawn */
const studyDrawn = (drawn) => (drawn ? element("p", { className: "lv-quiz-drawn", textContent: DRAWINGS }) : null);
/** @param {StudyPage} page @param {StudySend} send */
const backToQuiz = (page, send) => (page.back ? button("Back to the quiz", () => send({ kind: "back" })) : null);
/** @param {number} count @param {string} what */
const plural = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** Something that is not done by one click.
 * @param {string} summary
 * @param {string} words
 * @param {string} act
 * @param {() => void} onSure
 */
const askedTwice = (summary, words, act, onSure) =>
  element("details", { className: "lv-study-twice" }, element("summary", { textContent: summary }), element("p", { textContent: words }), button(act, onSure, { className: "lv-study-danger" }));
/** @param {string} name @param {number} done @param {() => void} onSure */
const withdrawal = (name, done, onSure) =>
  askedTwice("Withdraw", `This deletes ${name} and ${done ? plural(done, "answer") : "everything recorded"} from the file. It cannot be undone.`, `Delete everything of ${name}`, onSure);

/** @param {StudyPage & StudyBroken} page @param {StudySend} send @returns {PageOnView<StudyPage>} */
function brokenPage(page, send) {
  const heading = element("h2", { tabIndex: -1, textContent: "The study's file cannot be used" });
  const node = element("div", {}, element("div", { className: "lv-quiz-header" }, heading), studyError(page.error), element("div", { className: "lv-row" }, button("Try again", () => send({ kind: "try again" }), { className: "lv-primary" }), backToQuiz(page, send)));
  return { node, heading, words: page.error };
}

/** The form of a new study; what was typed stays in `draft` while the page changes.
 * @param {StudyPage & StudySetup} page
 * @param {StudySend} send
 * @param {{cases?: number, share?: number, seed?: string, consent?: string}} draft
 * @returns {PageOnView<StudyPage>}
 */
function setupPage(page, send, draft) {
  const { set } = page;
  const heading = element("h2", { tabIndex: -1, textContent: "A reader study" });
  let cases = Math.min(draft.cases ?? page.cases, set.most);
  let share = draft.share ?? 0;
  const number = slider({ name: "Cases", min: 2, max: Math.max(2, set.most), step: 1, value: cases, words: (value) => `${value} of ${set.most}`, onInput(value) {
    cases = draft.cases = value;
    wrong.set(share * 100);
  } });
  /** @param {number} value in percent */
  const wrongWords = (value) => (value ? `${plural(Math.floor((cases * value) / 100 + 0.5), "case")} (${value} %)` : "none");
  const wrong = slider({ name: "AI deliberately wrong in", min: 0, max: page.mostWrong * 100, step: 5, value: share * 100, words: wrongWords, onInput: (value) => (share = draft.share = value / 100) });
  const seed = element("input", { type: "number", id: newId(), min: "0", max: "4294967295", step: "1", required: true, value: draft.seed ?? "0" });
  seed.addEventListener("input", () => (draft.seed = seed.value));
  const consent = element("textarea", { id: newId(), rows: 10, maxLength: 10_000, required: true, value: draft.consent ?? page.consent });
  consent.addEventListener("input", () => (draft.consent = consent.value));
  const form = element(
    "form",
    { className: "lv-quiz-form" },
    number.node,
    wrong.node,
    element("details", {}, element("summary", { textContent: "What is shown there" }), element("p", { className: "lv-quiz-soft", textContent: `${page.rule} The debrief at the end names these cases; before it, nothing can be saved.` })),
    element("div", { className: "lv-quiz-name" }, element("label", { htmlFor: seed.id, textContent: "Seed" }), seed, element("span", { className: "lv-quiz-soft", textContent: "decides which cases, halves and orders; it is recorded." })),
    element("div", { className: "lv-study-consent" }, element("label", { htmlFor: consent.id, textContent: "What a reader agrees to before anything is recorded" }), consent),
    element("div", { className: "lv-row" }, button("Begin the study", () => {}, { type: "submit", className: "lv-primary lv-quiz-big", disabled: set.most < 2 }), backToQuiz(page, send)),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send({ kind: "begin", cases, seed: Number(seed.value), share, consent: consent.value });
  });
  const node = element(
    "div",
    { className: "lv-study-setup" },
    element("div", { className: "lv-quiz-header" }, heading, element("p", { textContent: "The quiz as an experiment for several readers, one after the other on this computer. Each reads every case once, half of them with the AI's answer and map beside the picture and half without; the halves change places from reader to reader, so that each case is seen as often with as without. Nobody sees a truth before the end." })),
    studyError(page.error),
    element("section", { className: "lv-quiz-card", ariaLabel: "This study" }, element("h3", { textContent: set.drawn ? "Drawn samples" : set.name }), studyDrawn(set.drawn), form, element("p", { className: "lv-quiz-soft", textContent: page.limits }), studyPlace(page.file)),
  );
  return { node, heading, words: page.error ? "" : "A reader study. Set it up." };
}

/** Who takes part, and how far each is.
 * @param {StudyPage & StudyDesk} page
 * @param {StudySend} send
 * @returns {PageOnView<StudyPage>}
 */
function deskPage(page, send) {
  const { readers, of } = page;
  const heading = element("h2", { tabIndex: -1, textContent: readers.length ? "Who reads next?" : "The study is open" });
  /** @param {StudyReader} one */
  const row = (one) =>
    element(
      "li",
      { className: "lv-study-reader" },
      element("b", { textContent: one.name }),
      element("span", { textContent: one.done === of ? "has read all cases" : `${one.done} of ${of} cases` }),
      one.done < of ? button("Go on", () => send({ kind: "go on", reader: one.place }), { ariaLabel: `Go on as ${one.name}`, disabled: page.missing > 0 }) : null,
      withdrawal(one.name, one.done, () => send({ kind: "withdraw", reader: one.place })),
    );
  const open = readers.filter((one) => one.done < of).length;
  const odd = readers.length % 2 ? " With one more reader each case is seen as often with the AI as without." : "";
  const closing = `Nobody can read any more then${open ? `, also not the ${plural(open, "reader")} with cases left` : ""}.${odd} The debrief comes next.`;
  const node = element(
    "div",
    { className: "lv-study-desk" },
    element("div", { className: "lv-quiz-header" }, heading, element("p", { className: "lv-quiz-soft", textContent: `${plural(of, "case")} of ${page.source} · ${plural(readers.length, "reader")}${page.withdrawn ? ` · ${page.withdrawn} withdrawn` : ""}` })),
    studyError(page.error),
    studyDrawn(page.drawn),
    page.missing
      ? element("p", { className: "lv-message lv-lost", textContent: `${plural(page.missing, "picture")} of this study ${page.missing === 1 ? "is" : "are"} not at hand. Go back to the quiz, make the set from the same folder of ${page.source} again, and come back: the answers so far are kept.` })
      : null,
    readers.length ? element("ul", { className: "lv-study-readers" }, ...readers.map(row)) : null,
    element("div", { className: "lv-row" }, button("New reader", () => send({ kind: "invite" }), { className: "lv-primary lv-quiz-big", disabled: page.missing > 0 }), backToQuiz(page, send)),
    page.answers ? askedTwice("End the study", closing, "End the study and show the debrief", () => send({ kind: "end" })) : null,
    readers.length ? null : askedTwice("Delete the study", "Nobody has joined. Its design is deleted with its file.", "Delete the study", () => send({ kind: "delete" })),
    element("div", {}, element("p", { className: "lv-quiz-soft", textContent: page.limits }), studyPlace(page.file)),
  );
  return { node, heading, words: page.error ? "" : `${heading.textContent}. ${plural(readers.length, "reader")} so far.` };
}

/** What a reader agrees to; nothing that he types leaves the browser before.
 * @param {StudyPage & StudyConsent} page
 * @param {StudySend} send
 * @returns {PageOnView<StudyPage>}
 */
function consentPage(page, send) {
  const heading = element("h2", { tabIndex: -1, textContent: "Before you begin" });
  const name = element("input", { type: "text", id: newId(), maxLength: 60, autocomplete: "off" });
  const form = element(
    "form",
    { className: "lv-quiz-form" },
    element("div", { className: "lv-quiz-name" }, element("label", { htmlFor: name.id, textContent: "Name or code (optional)" }), name),
    element("div", { className: "lv-row" }, button("I agree, begin", () => {}, { type: "submit", className: "lv-primary lv-quiz-big" }), button("I do not agree", () => send({ kind: "decline" }), { className: "lv-quiz-big" })),
  );
  name.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault(); // nobody agrees by accident
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send({ kind: "agree", learner: name.value });
  });
  const node = element(
    "div",
    { className: "lv-study-narrow" },
    element("div", { className: "lv-quiz-header" }, heading, element("p", { className: "lv-quiz-soft", textContent: `${plural(page.of, "case")}. Nothing is recorded before you agree.` })),
    studyError(page.error),
    element("section", { className: "lv-quiz-card", ariaLabel: "Consent" }, ...page.text.split(/\n+/).map((text) => element("p", { textContent: text })), studyDrawn(page.drawn), form),
  );
  return { node, heading, words: "Before you begin: please read what you are asked to agree to." };
}
