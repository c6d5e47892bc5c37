// The quiz: start, question, reveal, result. Shows what the kernel puts on the page and sends what the person does; until
// an answer is committed the page holds a photograph and nothing that gives its diagnosis away. See quiz.py.
// @ts-check

const QUIET = 20_000; // milliseconds without a reply after which the page says so
const QUIET_WORDS = {
  there: "There is no reply from the kernel. If this lasts, reload the page; answers that were not downloaded are lost then.",
  slow: "What you did last waits until the server answers.",
  busy: "What you did last waits until Python takes it up.",
  away: "What you did last has not arrived yet. It goes on by itself as soon as the connection is back.",
  gone: "Python stopped before what you did last arrived. Reload the page, or run the cell again; answers that were not downloaded are lost.",
};
const RIGHT = "✓ right";
const WRONG = "✗ wrong";

/** @param {View<QuizTraits, QuizTold>} view */
function render({ model, el }) {
  const classes = model.get("classes");
  const images = pictures(); // of the page on view
  const photos = pictures(); // the photograph
  /** @param {string} code */
  const diagnosis = (code) => classes.find((one) => one.code === code);
  /** @param {string} code */
  const nameOf = (code) => diagnosis(code)?.name ?? code;
  /** @param {string} text */
  const capital = (text) => text[0].toUpperCase() + text.slice(1);
  /** @type {{learner: string, cases?: number}} */
  const draft = { learner: "" }; // what was typed before the page changed
  let shown = ""; // phase and case on view
  /** @type {PageOnView | null} */
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
  const line = recovery(model, { onLine, onSaid });
  const picker = folderPicker(model, line.trouble);
  el.classList.add("lv", "lv-quiz");
  keepKeys(el);
  el.replaceChildren(notice, quiet, body, live);

  /** @param {QuizMessage} message */
  function send(message) {
    acted = true;
    pending = message;
    clearTimeout(timer);
    timer = setTimeout(wait, QUIET);
    onLine();
    model.send(message);
  }
  function wait() {
    const trouble = line.trouble();
    quiet.className = `lv-message lv-${trouble === "there" || trouble === "gone" ? "error" : "lost"}`;
    quiet.textContent = QUIET_WORDS[trouble];
    quiet.hidden = false;
  }
  function heard() {
    clearTimeout(timer);
    quiet.hidden = true;
  }
  function onLine() {
    quiet.hidden = true;
    if (pending && line.trouble() !== "there") wait();
    picker.onLine();
  }
  /** The kernel has said everything again: had it heard of what was done last, that would show by now.
   * @param {FolderSaid} content
   */
  function onSaid(content) {
    if (pending) send(pending);
    picker.onSaid(content);
  }

  /** Send what turns the page, and show on the button that it was heard.
   * @param {HTMLButtonElement} pressed
   * @param {string} words
   * @param {QuizMessage} message
   */
  function leave(pressed, words, message) {
    Object.assign(pressed, { disabled: true, textContent: words });
    send(message);
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
  /** @param {OneCase} page */
  function place(page) {
    stage.place({ box: [0, 0, page.width, page.height], width: page.width, height: page.height });
    stage.say(`Case ${page.case} of ${page.of}, photograph of a lesion`);
  }

  /** @param {ModelScore} score */
  function modelWords({ right, of, none }) {
    if (none && none === of) return "model without an answer";
    return `model ${right} of ${of - none}${none ? `, ${none} not answered` : ""}`;
  }
  /** @param {OneCase} page */
  function headline(page) {
    const { score } = page;
    const parts = [page.learner];
    if (score.of) parts.push(`${score.right} of ${score.of} right`, modelWords(score.model));
    if (page.leftOut) parts.push(`${page.leftOut} of the set's pictures could not be opened`);
    return parts.join(" · ");
  }
  /** @param {OneCase} page */
  function track(page) {
    const bar = element("div", { className: "lv-quiz-track" });
    bar.setAttribute("aria-hidden", "true");
    bar.style.setProperty("--lv-done", `${(page.score.of / page.of) * 100}%`);
    return bar;
  }

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
    picker.listen((busy) => (begin.disabled = busy));
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
      ? element("p", { className: "lv-quiz-drawn", textContent: "These are drawings, made by a program in the manner of each diagnosis, and only there to try the quiz. The model knows photographs only: expect no answer from it, or an odd one." })
      : null;
    const problems = set.problems.length
      ? element("details", { open: true }, element("summary", { textContent: "What was left out" }), element("ul", { className: "lv-quiz-problems" }, ...set.problems.map((text) => element("li", { textContent: text }))))
      : null;
    const node = element(
      "div",
      { className: "lv-quiz-start" },
      element("div", { className: "lv-quiz-header" }, heading, element("p", { textContent: "Look at the photograph and commit to one of four diagnoses. Only then do you see what it is, what the model answers, and where the model found its evidence. At the end you are compared with the model on the same cases." })),
      page.error ? element("p", { className: "lv-message lv-error", role: "alert", textContent: page.error }) : null,
      element(
        "div",
        { className: "lv-quiz-columns" },
        element("section", { className: "lv-quiz-card", ariaLabel: "This round" }, element("h3", { textContent: set.drawn ? "Drawn samples" : set.name }), counts, drawn, problems, form),
        first
          ? element("section", { className: "lv-quiz-card", ariaLabel: "Your own pictures" }, element("h3", { textContent: "Use your own pictures" }), picker.node,
              element("p", { className: "lv-quiz-soft", textContent: "Up to 200 pictures, one question for each lesion. They go to the program behind this page and nowhere else." }),
              set.drawn ? null : button("Back to the drawn samples", () => send({ kind: "drawn" })))
          : null,
      ),
    );
    return { node, heading, words: page.error ? "" : `${heading.textContent} ${set.drawn ? "Drawn samples" : set.name}, ${set.most} lesions.` };
  }

  // --- question -----------------------------------------------------------------------------------------------------
  /** @param {QuestionPage} page @returns {PageOnView} */
  function questionPage(page) {
    const heading = element("h2", { tabIndex: -1, textContent: `Case ${page.case} of ${page.of}: what is it?` });
    const group = newId();
    const inputs = classes.map(({ code }) => element("input", { type: "radio", name: group, value: code }));
    const choices = classes.map(({ code, name }, index) => {
      const key = element("kbd", { textContent: index + 1 });
      key.setAttribute("aria-hidden", "true");
      return element("label", { className: "lv-choice" }, inputs[index], key, element("span", {}, capital(name), " ", element("small", { textContent: code })));
    });
    let sure = "";
    const sureness = segments({ name: "How sure?", options: page.sure.map((value) => ({ value, label: value })), onChange: (value) => (sure = value) });
    const commit = button("Commit", () => {}, { type: "submit", className: "lv-primary lv-quiz-big", disabled: true });
    const stop = button("End the round here", () => leave(stop, "Ending …", { kind: "finish" }), { className: "lv-quiz-quiet" });
    const head = element("p", { className: "lv-quiz-soft" });
    const form = element(
      "form",
      { className: "lv-quiz-form" },
      element("fieldset", { className: "lv-choices" }, element("legend", { textContent: "Your diagnosis" }), ...choices),
      sureness.node,
      element("div", { className: "lv-row" }, commit, stop),
      element("p", { className: "lv-quiz-soft", textContent: "Keys: 1 to 4 choose, Enter commits, + and − zoom, 0 shows the whole picture." }),
    );
    const chosen = () => inputs.find((input) => input.checked);
    const ready = () => (commit.disabled = !chosen());
    form.addEventListener("change", ready);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const answer = chosen()?.value;
      if (!answer || commit.textContent !== "Commit") return;
      commit.textContent = "Committed …";
      send({ kind: "commit", case: page.case, answer, sure });
    });
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
      element("div", { className: "lv-quiz-header" }, heading, head, track(page)),
      element("div", { className: "lv-quiz-columns" }, figure, form),
    );
    /** @type {Record<string, () => void>} */
    const keys = Object.fromEntries(inputs.map((input, index) => [index + 1, () => {
      input.checked = true;
      input.focus();
      ready();
    }]));
    keys.Enter = () => form.requestSubmit();
    return { node, heading, update, keys, words: `Case ${page.case} of ${page.of}. What is it?` };
  }

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
    /** @param {string} who @param {string} code @param {(Node | string)[]} more */
    const row = (who, code, ...more) => [element("dt", { textContent: who }), element("dd", {}, ...(code ? [element("b", { textContent: capital(nameOf(code)) }), ` ${code} `] : []), ...more)];
    /** @param {boolean} right */
    const mark = (right) => element("span", { className: right ? "lv-mark lv-hit" : "lv-mark lv-miss", textContent: right ? RIGHT : WRONG });

    /** @param {RevealedPage} next */
    function modelRow(next) {
      const found = next.model;
      if (!found) return row("Model", "", "is still looking …");
      if (!diagnosis(found.code)) return row("Model", "", element("b", { textContent: "No answer. " }), found.failed ? found.reason : `It refuses the picture, because ${found.reason}.`);
      return row("Model", found.code, mark(found.code === next.truth));
    }
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
        element("dl", { className: "lv-quiz-verdict" }, ...row("Truth", next.truth), ...row("You", next.answer, mark(hit), next.sureness ? `, and you were ${next.sureness}` : ""), ...modelRow(next)),
        element("p", { className: "lv-quiz-sentence", textContent: next.sentence }),
        element("div", { className: "lv-row" }, forward, ...(refused ? [button("Show its forced answer and the map", () => send({ kind: "insist", case: next.case }))] : [])),
        more,
        element("p", { className: "lv-quiz-soft", textContent: `${again ? "" : "Key: N goes on. "}Picture: ${next.image}` }),
      );
      if (kept) heading.focus();
      if (found && !spoken) {
        spoken = true;
        if (shown) say(`The model: ${diagnosis(found.code)?.name ?? "no answer"}.`);
      }
    }
    place(page);
    spoken = Boolean(page.model);
    update(page);
    const node = element(
      "div",
      { className: "lv-quiz-reveal" },
      element("div", { className: "lv-quiz-header" }, heading, head, track(page)),
      element("div", { className: "lv-quiz-columns" }, figure, info),
    );
    const answer = page.model ? ` The model: ${diagnosis(page.model.code)?.name ?? "no answer"}.` : "";
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
  /** @param {string} text */
  function say(text) {
    live.textContent = text;
  }
  function draw() {
    const page = model.get("page");
    if (!page.phase) return; // none yet
    heard();
    const key = `${page.phase} ${page.case ?? ""}`;
    const same = key === shown && Boolean(current?.update);
    if (!same || pending?.kind === "insist") pending = null;
    if (same) {
      current?.update?.(page);
      acted = false;
      return;
    }
    // Only a person's own step moves the focus: the quiz must not take it from another cell.
    const root = el.closest(".lv-quiz-box") ?? el;
    const move = shown && (acted || root.contains(document.activeElement));
    acted = false;
    images.release();
    current = pageOf(page);
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
  /** @param {QuizTold} content */
  const onCsv = (content) => {
    if (content.kind !== "csv") return;
    heard();
    pending = null;
    acted = false;
    download(content.name, `\uFEFF${content.text}`, "text/csv"); // the mark tells spreadsheets that it is UTF-8
    say("The answers are saved.");
  };
  el.addEventListener("keydown", onKey);
  model.on("change:photo", takePhoto);
  model.on("change:page", draw);
  model.on("msg:custom", onCsv);
  takePhoto();
  draw();
  return () => {
    clearTimeout(timer);
    el.removeEventListener("keydown", onKey);
    model.off("change:photo", takePhoto);
    model.off("change:page", draw);
    model.off("msg:custom", onCsv);
    line.release();
    picker.release();
    images.release();
    photos.release();
  };
}

export default { render };
