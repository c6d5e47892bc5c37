// The teacher's page: the case that the class sees, and what turns it. #big in the address shows it large, for the wall, without
// any learner's name; both windows may be open at once. See teacher.py.
// @ts-check

/** What a part of the page shows of a case; null where it has nothing to show. @typedef {{key: string, node: HTMLElement, heading: HTMLElement, update: (state: TeacherState) => void}} Scene */

/** @param {HTMLElement} home */
function teacherPage(home) {
  /** @type {TeacherFacts} */
  const facts = JSON.parse(home.dataset.facts ?? "{}");
  const { classes } = facts;
  const { nameOf } = wordsOf(classes);
  const { act, watch } = teacherLine({ token: facts.token, onState: draw, onStanding, onRefused });
  /** @type {TeacherState | null} */
  let state = null;
  /** @type {Scene | null} */
  let scene = null;
  let acted = false; // the next scene is the teacher's own doing, and takes the focus

  // --- the frame ----------------------------------------------------------------------------------------------------
  const words = element("p", { className: "lv-teacher-where", role: "status" });
  const large = button("Big picture", () => turn(!isBig()), { className: "lv-teacher-large" });
  const apart = element("a", { href: "teacher#big", target: "_blank", rel: "noopener", textContent: "in a window of its own" });
  const notice = element("p", { className: "lv-notice", textContent: facts.notice });
  notice.setAttribute("role", "note");
  const away = element("div", { className: "lv-message lv-lost", role: "alert", hidden: true });
  const refused = element("p", { className: "lv-message lv-error", role: "alert", hidden: true });
  const lost = element("p", { className: "lv-message lv-error", role: "alert", hidden: true });
  const place = element("div", { className: "lv-teacher-scene" });
  const people = peopleCard();
  const results = resultsCard(classes);
  const file = fileCard(act);
  const setup = setupCard(facts, doing);
  const columns = element("div", { className: "lv-teacher-columns" }, place, element("aside", { ariaLabel: "The class" }, joinCard(facts), people.node));
  const main = element(
    "main",
    {},
    notice,
    away,
    refused,
    lost,
    columns,
    results.node,
    file.node,
  );
  home.replaceChildren(
    element("header", {}, element("h1", { className: "lv-title" }, "Class quiz", element("span", { textContent: "lesionviz" })), words, element("div", { className: "lv-row lv-teacher-view" }, large, apart)),
    main,
  );
  const isBig = () => location.hash === "#big";
  /** @param {boolean} big */
  function turn(big) {
    history.replaceState(null, "", big ? "#big" : location.pathname + location.search);
    look();
  }
  function look() {
    document.body.classList.toggle("lv-big", isBig());
    large.textContent = isBig() ? "Back to the whole page" : "Big picture";
    apart.hidden = isBig();
  }

  // --- the case -----------------------------------------------------------------------------------------------------
  const { eye, node: zoom } = zoomTools();
  const stage = makeStage(eye, { label: "Photograph" });
  stage.node.classList.add("lv-original");
  const figure = element("div", { className: "lv-quiz-figure" }, stage.node, zoom);
  let pictured = "";
  /** @param {TeacherCase} now */
  function picture(now) {
    stage.place({ box: [0, 0, now.width, now.height], width: now.width, height: now.height });
    stage.say(`Case ${now.case} of ${now.of}, photograph of a lesion`);
    const source = `teacher/picture?quiz=${now.quiz}&case=${now.case}`;
    if (source === pictured) return;
    pictured = source;
    stage.photo.src = source;
    eye.reset();
  }
  /** Do something once, with its button showing that it was heard.
   * @type {DoMove}
   */
  async function doing(move, about, onWrong) {
    refused.hidden = true;
    acted = true;
    const done = await act(move, about, onWrong);
    if (!done) acted = false;
    return done;
  }
  /** @param {string} text @param {Move} move @param {TeacherCase} now */
  const forward = (text, move, now) => {
    const node = button(text, async () => {
      node.disabled = true;
      if (!(await doing(move, { case: now.case }))) node.disabled = false;
    }, { className: "lv-primary lv-quiz-big lv-teacher-forward" });
    return node;
  };
  /** @param {TeacherCase} now */
  const stop = (now) =>
    button("End the quiz", () => {
      const open = state?.phase === "question";
      askFirst({
        title: "End the quiz here?",
        words: open ? `Case ${now.case} was not revealed, so it does not count. Everybody goes to the results of the cases before.` : "Everybody goes to the results.",
        yes: "End the quiz",
        onYes: () => doing("finish"),
      });
    }, { className: "lv-quiz-quiet" });

  /** @param {TeacherCase} now @returns {Scene} */
  function questionScene(now) {
    const heading = element("h2", { tabIndex: -1, textContent: `Case ${now.case} of ${now.of}: what is it?` });
    const many = element("p", { className: "lv-teacher-count", role: "status" });
    const bar = track(0, 1);
    bar.classList.add("lv-teacher-track");
    const keys = element("p", { className: "lv-quiz-soft", textContent: "Keys: R reveals, B shows the picture big, + and − zoom, 0 shows the whole picture." });
    /** @param {TeacherState} next */
    function update(next) {
      const { answered, here } = /** @type {TeacherCase} it is on view */ (next);
      many.textContent = !here ? "Nobody is here yet" : answered === here ? (here === 1 ? "The one who is here has answered" : `All ${here} have answered`) : `${answered} of ${here} ${answered === 1 ? "has" : "have"} answered`;
      bar.style.setProperty("--lv-done", `${(answered / Math.max(1, here)) * 100}%`);
    }
    update(now);
    picture(now);
    const node = element("div", { className: "lv-teacher-case" }, heading, figure, element("div", { className: "lv-teacher-turn" }, many, bar, element("div", { className: "lv-row" }, forward("Reveal", "reveal", now), stop(now)), keys));
    return { key: "", node, heading, update };
  }
  /** @param {TeacherCase} now @returns {Scene} */
  function revealedScene(now) {
    const truth = now.truth ?? "";
    const heading = element("h2", { tabIndex: -1, textContent: `Case ${now.case} of ${now.of}: it is ${nameOf(truth)}` });
    const verdict = element("dl", { className: "lv-quiz-verdict" });
    const tally = element("div");
    /** @param {TeacherState} next */
    function update(next) {
      const { verdict: found, tally: counts } = /** @type {TeacherCase} it is on view */ (next);
      verdict.replaceChildren(...modelRow(found ?? null, truth, classes, networkName(next.drawn)));
      tally.replaceChildren(tallyBars(counts ?? {}, truth, classes));
    }
    update(now);
    picture(now);
    const node = element(
      "div",
      { className: "lv-teacher-case" },
      heading,
      figure,
      element("div", { className: "lv-teacher-turn" }, element("h3", { textContent: "How the class answered" }), tally, verdict, element("div", { className: "lv-row" }, forward(now.last ? "To the results" : "Next case", "next", now), stop(now)), element("p", { className: "lv-quiz-soft lv-teacher-image", textContent: `Key: N goes on. Picture: ${now.image}` })),
    );
    return { key: "", node, heading, update };
  }
  /** @returns {Scene} */
  function setupScene() {
    const heading = setup.node.querySelector("h2") ?? setup.node;
    heading.tabIndex = -1;
    return { key: "", node: setup.node, heading, update: setup.show };
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  /** @param {TeacherState} next */
  function draw(next) {
    state = next;
    const now = /** @type {TeacherCase} where a case is on view */ (next);
    const seen = next.phase === "question" || next.phase === "revealed";
    let moved = false; // on to another scene, and the focus with it
    const key = seen ? `${next.phase} ${now.quiz} ${now.case}` : "setup";
    if (key !== scene?.key) {
      const within = document.activeElement === document.body || place.contains(document.activeElement);
      scene = { ...(next.phase === "question" ? questionScene(now) : next.phase === "revealed" ? revealedScene(now) : setupScene()), key };
      place.replaceChildren(scene.node);
      moved = acted && within;
      acted = false;
    }
    scene.update(next);
    words.textContent = { waiting: "No quiz is running", question: `Case ${now.case} of ${now.of}`, revealed: `Case ${now.case} of ${now.of}, revealed`, over: "The quiz is over" }[next.phase];
    document.body.dataset.phase = next.phase;
    lost.textContent = next.lost;
    lost.hidden = !next.lost;
    for (const part of [people, results, file]) part.show(next);
    const over = next.phase === "over";
    if (results.node.nextElementSibling !== (over ? columns : file.node)) main.insertBefore(results.node, over ? columns : file.node);
    if (moved) ((over && results.node.querySelector("h2")) || scene.heading).focus();
  }
  /** @param {Standing} standing */
  function onStanding(standing) {
    away.hidden = standing === "there";
    home.classList.toggle("lv-lost", standing !== "there");
    if (away.dataset.standing === standing) return;
    away.dataset.standing = standing;
    away.replaceChildren(
      ...(standing === "locked"
        ? [element("p", {}, element("b", { textContent: "The server wants you to sign in again. " }), "Open the teacher's address once more, as it stands in the terminal, or reload this page and type its token.")]
        : [element("p", {}, element("b", { textContent: "No connection to the server. " }), "The network may be cut, or the server was stopped. What is on view stays, and this page goes on by itself.")]),
    );
  }
  /** @param {string} sentence */
  function onRefused(sentence) {
    refused.textContent = sentence;
    refused.hidden = false;
    refused.scrollIntoView({ block: "nearest" });
  }

  // --- keys and colours ---------------------------------------------------------------------------------------------
  /** @type {Record<string, () => void>} */
  const keys = {
    r: () => state?.phase === "question" && place.querySelector("button.lv-teacher-forward")?.dispatchEvent(new MouseEvent("click")),
    n: () => state?.phase === "revealed" && place.querySelector("button.lv-teacher-forward")?.dispatchEvent(new MouseEvent("click")),
    b: () => turn(!isBig()),
    Escape: () => isBig() && turn(false),
    "+": () => eye.zoom(1.5),
    "=": () => eye.zoom(1.5),
    "-": () => eye.zoom(1 / 1.5),
    0: () => eye.reset(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, dialog");
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing || !keys[key]) return;
    event.preventDefault();
    keys[key]();
  });
  globalThis.addEventListener("hashchange", look);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => (document.body.dataset.jpThemeLight = String(!dark.matches)); // what the widgets' style sheets look at
  dark.addEventListener("change", paint);
  paint();
  look();
  watch();
}

const home = document.querySelector("#teacher");
if (home instanceof HTMLElement) teacherPage(home);
