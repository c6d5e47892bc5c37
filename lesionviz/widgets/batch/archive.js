// Whole folders on the computer where Python runs: begin a run over one, and see how those stand that there are. The other end is
// archive.py. A run is a process of its own, so nothing here keeps it going; {kind: "archive", do: "look"} asks how all of them
// stand, once when the page comes up and then only while somebody can see them. {kind: "runs"} is the answer.
// @ts-check

const LOOKS = 1000; // milliseconds between two looks while something is under way
const LOOKS_AT_REST = 5000;
const PATIENT = 15_000; // for an answer, before it is asked for again
const WORKING = new Set(["starting", "listing", "running"]);

/** @param {number} number */
const images = (number) => count(number, "image");

/** The last part of a path of any system.
 * @param {string} path
 */
const lastOf = (path) => path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1) || path;

/** How a run stands, in words.
 * @param {ArchiveRun} run
 */
function standingWords({ state, stopping, why, done, images: all, failed, rate, part }) {
  const far = `${done.toLocaleString()} of ${images(all)}`;
  const unusable = failed ? `, ${failed.toLocaleString()} of them could not be used` : "";
  if (stopping) return `Stopping; what is done stays. ${done ? `${far}.` : ""}`;
  switch (state) {
    case "starting":
      return "Starting …";
    case "listing":
      return "Listing the images …";
    case "running": {
      if (done === all) return `All ${images(all)} are done${unusable}. Writing the table …`;
      if (!rate) return `${far}. The first ${Math.min(part, all).toLocaleString()} are being looked at.`;
      return `${far}, ${rate.toLocaleString(undefined, { maximumFractionDigits: 1 })} a second, about ${duration(((all - done) / rate) * 1000)} left${unusable}`;
    }
    case "interrupted":
      return `Interrupted: ${far}. ${why}`;
    case "finished":
      return `Finished: ${images(all)}${unusable}.`;
    case "failed":
      return `Failed: ${why}`;
    default:
      return why || "There is no run in this folder any more.";
  }
}

/** One run of the list.
 * @param {(wish: string, run: ArchiveRun) => void} onWish
 */
function runItem(onWish) {
  /** @type {ArchiveRun | null} */
  let run = null;
  const name = element("b");
  const above = element("span", { className: "lv-archive-above" });
  const words = element("p", { className: "lv-archive-words", tabIndex: -1 });
  const shown = element("p", { textContent: "Its rows are in the table below." });
  const bar = element("progress");
  /** @param {string} wish @param {string} text */
  const act = (wish, text) => button(text, () => run && !resting && onWish(wish, run));
  let resting = false; // nothing is taken until Python has said how the run stands after the last wish
  // What is pressed again by a hand that was too quick, at the end, is never another thing than it was.
  const buttons = { forget: act("forget", "Take off the list"), show: act("show", "Show results"), continue: act("continue", "Continue"), stop: act("stop", "Stop") };
  buttons.forget.classList.add("lv-archive-forget");
  const node = element(
    "li",
    { className: "lv-archive-run" },
    element("div", { className: "lv-archive-what" }, element("p", { className: "lv-archive-name" }, name, above), words, shown, bar),
    element("div", { className: "lv-archive-acts" }, ...Object.values(buttons)),
  );
  /** @param {ArchiveRun} next @param {boolean} onView */
  function set(next, onView) {
    run = next;
    const { folder, state } = next;
    const held = focusIn(node);
    const short = lastOf(folder);
    name.textContent = short;
    above.textContent = folder.slice(0, -short.length);
    const text = standingWords(next);
    if (words.textContent !== text) words.textContent = text;
    shown.hidden = !onView;
    words.classList.toggle("lv-archive-bad", state === "failed" || (state === "interrupted" && Boolean(next.why)));
    const working = WORKING.has(state);
    bar.hidden = !working;
    bar.ariaLabel = `Images done, ${short}`;
    if (next.done) {
      bar.max = next.images;
      bar.value = next.done;
    } else {
      bar.removeAttribute("value");
    }
    buttons.show.hidden = state !== "finished" || onView;
    buttons.continue.hidden = state !== "interrupted";
    buttons.stop.hidden = !["listing", "running"].includes(state);
    buttons.forget.hidden = working;
    const all = Object.values(buttons);
    for (const each of all) each.ariaLabel = `${each.textContent}: ${short}`;
    // The keyboard stays with the run when what it was on has gone; where nothing else is to be done yet, with its words.
    if (held && !held.checkVisibility()) ([buttons.stop, buttons.continue, buttons.show, buttons.forget].find((each) => !each.hidden) ?? words).focus();
  }
  /** @param {boolean} on */
  function rest(on) {
    resting = on;
    for (const each of Object.values(buttons)) each.ariaDisabled = String(on);
  }
  return { node, set, rest };
}

/** The folded part of the page. `say` speaks, `onView()` is the folder of the run that the table shows.
 * @param {{model: Wire<BatchTold>, off: string, say: (text: string) => void, onView: () => string | undefined, there: () => boolean}} options
 */
function archiveSection({ model, off, say, onView, there }) {
  const state = element("span", { className: "lv-archive-state" });
  const title = element("summary", {}, "A whole folder on this computer", state);
  const node = element("details", { className: "lv-archive" }, title);
  if (off) {
    node.append(element("p", { className: "lv-batch-hint", textContent: off }));
    return { node, hear: () => {}, redraw: () => {}, again: () => {}, release: () => {} };
  }

  /** @param {string} name @param {string} example */
  const field = (name, example) => {
    const input = element("input", { type: "text", id: newId(), autocomplete: "off", spellcheck: false, placeholder: example, required: true, maxLength: 4096 });
    return { input, label: element("label", { htmlFor: input.id, textContent: name }) };
  };
  const source = field("Folder with images", "/home/me/images");
  const target = field("Folder for results", "/home/me/images-scores");
  const start = element("button", { type: "submit", textContent: "Score the folder" });
  const form = element("form", { className: "lv-archive-form", noValidate: true }, source.label, source.input, target.label, target.input, start);
  const message = element("p", { className: "lv-archive-message", hidden: true, role: "alert" });
  const list = element("ul", { className: "lv-archive-runs", ariaLabel: "Runs" });
  node.append(
    element("p", { className: "lv-batch-hint", textContent: "For thousands of images. The work goes on when this page is closed; come back, and the results are here. The folders are those of the computer where Python runs." }),
    form,
    message,
    list,
  );

  /** @type {ArchiveRun[]} */
  let runs = [];
  /** @type {Map<string, ReturnType<typeof runItem>>} */
  const items = new Map();
  let asked = -Infinity; // when how they stand was last asked for
  let waiting = false; // for the answer
  let known = false; // whether it ever came
  let waitingForStart = false; // whether it is taken up
  let own = false; // the folder for results was named by hand

  /** @param {boolean} may */
  function mayStart(may) {
    waitingForStart = !may;
    start.ariaDisabled = String(!may);
  }
  /** @param {string} text */
  function tell(text) {
    message.textContent = text;
    message.hidden = !text;
  }
  /** @param {string} wish @param {Record<string, unknown>} more */
  function ask(wish, more = {}) {
    try {
      if (!there()) throw new Error("gone");
      model.send({ kind: "archive", do: wish, ...more });
      return true;
    } catch {
      tell("Python has stopped. What is under way goes on: reload the page, or run the cell again, to see it.");
      return false;
    }
  }
  function look() {
    asked = performance.now();
    waiting = true;
    ask("look");
  }
  target.input.addEventListener("input", () => (own = target.input.value !== ""));
  source.input.addEventListener("input", () => {
    const named = source.input.value.trim().replace(/[/\\]+$/, "");
    if (!own) target.input.value = named && `${named}-scores`;
  });
  // JupyterLab's page does not submit a form by Enter.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !(event.target instanceof HTMLInputElement)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const missing = [source.input, target.input].find((input) => !input.value.trim());
    if (missing) {
      tell(`Name the ${missing === source.input ? "folder with images" : "folder for results"} first.`);
      return missing.focus();
    }
    tell("");
    if (waitingForStart) return;
    const given = { images: source.input.value.trim(), out: target.input.value.trim() };
    if (ask("start", given)) mayStart(false);
  });

  /** @param {ArchiveRun[]} next */
  function receive(next) {
    waiting = false;
    for (const run of next) {
      const before = runs.find(({ key }) => key === run.key);
      if (known && before?.state !== run.state) say(`${lastOf(run.folder)}: ${standingWords(run)}`);
    }
    const working = next.filter((run) => WORKING.has(run.state)).length;
    if (!known && working) node.open = true; // whoever comes back for it sees it
    known = true;
    runs = next;
    wake();
    state.textContent = working ? `${working.toLocaleString()} under way` : next.length ? count(next.length, "run") : "";
    state.classList.toggle("lv-working", working > 0);
    redraw();
  }
  const wake = () => items.forEach((item) => item.rest(false));
  function redraw() {
    for (const [key, item] of items) {
      if (runs.some((run) => run.key === key)) continue;
      if (focusIn(item.node)) title.focus();
      item.node.remove();
      items.delete(key);
    }
    runs.forEach((run, index) => {
      const item = items.get(run.key) ?? runItem((wish, { key }) => {
        tell("");
        if (ask(wish, { run: key })) item.rest(true);
      });
      items.set(run.key, item);
      item.set(run, onView() === run.folder);
      if (list.children[index] !== item.node) list.insertBefore(item.node, list.children[index] ?? null);
    });
    list.hidden = !runs.length;
  }
  /** @param {BatchTold} content */
  function hear(content) {
    if (content.kind === "runs") receive(content.runs);
    if (content.kind === "trouble") {
      waiting = false;
      mayStart(true);
      wake();
      tell(content.words);
      node.open = true;
    }
    if (content.kind === "begun") {
      mayStart(true);
      tell(content.words);
      if (content.words) return;
      say("The run is being started.");
      source.input.value = target.input.value = "";
      own = false;
    }
  }
  const watch = setInterval(() => {
    const since = performance.now() - asked;
    const seen = node.open && !document.hidden && node.checkVisibility();
    if (!seen || !there() || (waiting && since < PATIENT)) return;
    if (since >= (runs.some((run) => WORKING.has(run.state)) ? LOOKS : LOOKS_AT_REST)) look();
  }, LOOKS / 2);
  node.addEventListener("toggle", () => node.open && there() && look());
  /** What was asked over a line that was lost may not have been heard. */
  function again() {
    wake();
    mayStart(true);
    look();
  }
  look();
  redraw();
  return { node, hear, redraw, again, release: () => clearInterval(watch) };
}
