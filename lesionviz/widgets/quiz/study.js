// A reader study: shows what the kernel puts on the page and sends what a person does; see study.py. A truth comes to the page
// with the debrief, and the AI's answer with the cases that it belongs to.
// @ts-check

const STUDY_QUIET = {
  there: "There is no reply from the kernel. If this lasts, reload the page: the answers so far are in the file, and the reader goes on where he stopped.",
  slow: "What you did last waits until the server answers.",
  busy: "What you did last waits until Python takes it up.",
  away: "What you did last has not arrived yet. It goes on by itself as soon as the connection is back.",
  gone: "Python stopped before what you did last arrived. Reload the page, or run the cell again: the answers so far are in the file.",
};

/** @param {View<QuizTraits<StudyPage>, StudyTold>} view */
function render({ model, el }) {
  const draft = {}; // what was typed before the page changed
  /** @type {ReturnType<typeof quizShell<StudyPage, StudyTold>>} */
  const shell = quizShell({ model, el }, { quiet: STUDY_QUIET, settles: (done, page) => Boolean(page.error) || done.kind === "withdraw" });
  const { classes, send } = shell;
  el.classList.add("lv-study");

  /** @param {StudyPage} page @returns {PageOnView<StudyPage>} */
  function pageOf(page) {
    if (page.phase === "broken") return brokenPage(page, send);
    if (page.phase === "setup") return setupPage(page, send, draft);
    if (page.phase === "desk") return deskPage(page, send);
    if (page.phase === "consent") return consentPage(page, send);
    if (page.phase === "case") return casePage(page, shell);
    if (page.phase === "done") return donePage(page, send);
    if (page.phase === "debrief") return debriefPage(page, classes, send);
    if (page.phase === "results") return studyResultPage(page, classes, send);
    return waitsPage(page, send);
  }
  /** @param {StudyTold} content */
  const onTold = (content) => {
    if (content.kind === "turned") shell.settle();
    if (content.kind !== "csv") return;
    shell.settle();
    download(content.name, `\uFEFF${content.text}`, "text/csv"); // the mark tells spreadsheets that it is UTF-8
    shell.say(`${content.name} is saved.`);
  };
  // Who turns to another tab does not look at the picture any more: the clock must not run on.
  const onHidden = () => {
    const page = model.get("page");
    if (document.hidden && page.phase === "case") send({ kind: "pause", case: page.case });
  };
  model.on("msg:custom", onTold);
  document.addEventListener("visibilitychange", onHidden);
  const release = shell.run(pageOf);
  return () => {
    model.off("msg:custom", onTold);
    document.removeEventListener("visibilitychange", onHidden);
    release();
  };
}

export default { render };
