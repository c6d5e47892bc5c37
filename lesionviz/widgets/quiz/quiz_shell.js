// The frame of a quiz's page, for one learner or for a class: the notice, the photograph, the page on view, keys and focus, and what
// is said when what a person did is not heard. What stands on a page is the business of quiz.js and class_quiz.js.
// @ts-check

const QUIET = 20_000; // milliseconds without a reply after which the page says so

/** `quiet`: what is said by then, by what is wrong with the line. `settles`: whether a page that was on view already shows that what
 *  was done last has arrived. `onLine` and `onSaid` hear of the line (recovery.js).
 * @template {AnyPage} Page
 * @template {Message} Told
 * @param {View<QuizTraits<Page>, Told>} view
 * @param {{quiet: Record<Trouble, string>, settles: (done: QuizMessage, page: Page) => boolean, onLine?: () => void,
 *   onSaid?: (content: Extract<Told, {kind: "said"}>) => void}} options
 */
function quizShell({ model, el }, { quiet: quietWords, settles, onLine = () => {}, onSaid = () => {} }) {
  const classes = model.get("classes");
  const words = wordsOf(classes);
  const images = pictures(); // of the page on view
  const photos = pictures(); // the photograph
  let shown = ""; // what page is on view
  /** @type {PageOnView<Page> | null} */
  let current = null;
  let acted = false;
  /** @type {QuizMessage | null} */
  let pending = null; // what was sent last, until it shows
  let timer = 0;

  const live = element("p", { className: "lv-unseen", role: "status" });
  const quiet = element("p", { role: "alert", hidden: true });
  const body = element("div");
  const notice = element("p", { className: "lv-notice", textContent: model.get("notice") });
  notice.setAttribute("role", "note");
  const line = recovery(model, { onLine: turn, onSaid: again });
  el.classList.add("lv", "lv-quiz");
  keepKeys(el);
  el.replaceChildren(notice, quiet, body, live);

  /** @param {QuizMessage} message */
  function send(message) {
    acted = true;
    pending = message;
    clearTimeout(timer);
    timer = setTimeout(wait, QUIET);
    turn();
    model.send(message);
  }
  function wait() {
    const trouble = line.trouble();
    quiet.className = `lv-message lv-${trouble === "there" || trouble === "gone" ? "error" : "lost"}`;
    quiet.textContent = quietWords[trouble];
    quiet.hidden = false;
  }
  function heard() {
    clearTimeout(timer);
    quiet.hidden = true;
  }
  function turn() {
    quiet.hidden = true;
    if (pending && line.trouble() !== "there") wait();
    onLine();
  }
  /** The kernel has said everything again: had it heard of what was done last, that would show by now.
   * @param {Extract<Told, {kind: "said"}>} content
   */
  function again(content) {
    if (pending) send(pending);
    onSaid(content);
  }
  /** What was done last has come to its end without another page. */
  function settle() {
    heard();
    pending = null;
    acted = false;
  }
  /** Send what turns the page, and show on the button that it was heard.
   * @param {HTMLButtonElement} pressed
   * @param {string} text
   * @param {QuizMessage} message
   */
  function leave(pressed, text, message) {
    Object.assign(pressed, { disabled: true, textContent: text });
    send(message);
  }
  /** @param {string} text */
  function say(text) {
    live.textContent = text;
  }

  // --- the photograph, the same node from the question to the reveal ------------------------------------------------
  const { eye, node: zoom } = zoomTools();
  const stage = makeStage(eye, { label: "Photograph" });
  stage.node.classList.add("lv-original");
  const figure = element("div", { className: "lv-quiz-figure" }, stage.node, zoom);
  function takePhoto() {
    const bytes = model.get("photo");
    photos.put(stage.photo, bytes, "image/jpeg");
    eye.reset();
  }
  /** @param {{case: number, of: number, width: number, height: number}} page */
  function place(page) {
    stage.place({ box: [0, 0, page.width, page.height], width: page.width, height: page.height });
    stage.say(`Case ${page.case} of ${page.of}, photograph of a lesion`);
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  /** @param {(page: Page) => PageOnView<Page>} pageOf */
  function draw(pageOf) {
    const page = model.get("page");
    if (!page.phase) return; // none yet
    const next = /** @type {Page} it has a phase */ (page);
    const key = `${next.phase} ${next.case ?? ""} ${next.quiz ?? ""}`;
    const same = key === shown && Boolean(current?.update);
    if (pending && (!same || settles(pending, next))) pending = null;
    if (!pending) heard();
    if (same) {
      current?.update?.(next);
      acted = false;
      return;
    }
    // Only a person's own step moves the focus: the quiz must not take it from another cell.
    const root = el.closest(".lv-quiz-box") ?? el;
    const move = shown && (acted || root.contains(document.activeElement));
    acted = false;
    images.release();
    current = pageOf(next);
    shown = key;
    body.replaceChildren(current.node);
    if (move) current.heading.focus();
    if (move) say(current.words);
  }
  /** @type {Record<string, () => void>} */
  const zoomKeys = { "+": () => eye.zoom(1.5), "=": () => eye.zoom(1.5), "-": () => eye.zoom(1 / 1.5), 0: () => eye.reset() };
  /** @param {KeyboardEvent} event */
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !current?.keys || el.closest(".lv-lost")) return;
    const act = current.keys[event.key] ?? zoomKeys[event.key];
    // Enter on a control is that control's own: a radio button hands it to the form.
    if (!act || (event.key === "Enter" && event.target instanceof Element && event.target.closest("button, input, summary"))) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  /** Show what the kernel has put on the page, and whatever it puts there from now on; return what ends it.
   * @param {(page: Page) => PageOnView<Page>} pageOf
   */
  function run(pageOf) {
    const onPage = () => draw(pageOf);
    el.addEventListener("keydown", onKey);
    model.on("change:photo", takePhoto);
    model.on("change:page", onPage);
    takePhoto();
    onPage();
    return () => {
      clearTimeout(timer);
      el.removeEventListener("keydown", onKey);
      model.off("change:photo", takePhoto);
      model.off("change:page", onPage);
      line.release();
      images.release();
      photos.release();
    };
  }
  return { ...words, classes, images, line, figure, place, send, leave, settle, say, run, hasShown: () => Boolean(shown) };
}
