// Many files, one after the other, and a table of the answers. The other end is batch.py: {kind: "queue", sender, count,
// current} says how many have no row yet and which of them was sent, each goes as in upload.js with `sender`, and only {kind:
// "next", id} from the kernel sends another. {kind: "rows", run, from, count, rows} with thumbnails brings rows; the view asks for
// those that it lacks. Over a new connection (recovery.js) the file without a row is sent again: it becomes one row all the same.
// @ts-check

const PATIENCE = 30_000; // milliseconds without a word from the kernel before the person is told
const SPOKEN = 10_000; // milliseconds between two spoken words of progress
const CLUTTER = /(^|\/)(\.[^/]*|thumbs\.db|desktop\.ini)(\/|$)/i; // what computers leave in folders

/** @param {number} number @param {string} word */
const count = (number, word = "file") => `${number.toLocaleString()} ${word}${number === 1 ? "" : "s"}`;

/** @param {number} milliseconds */
function duration(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 90) return `${Math.max(5, Math.round(seconds / 5) * 5)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** A file of this view under way, by this page's number for it. @typedef {Found & {id: number}} Sent */

/** @param {View<BatchTraits, BatchTold>} view */
function renderBatch({ model, el }) {
  const facts = model.get("facts");
  const sender = 1 + Math.floor(Math.random() * (2 ** 31 - 1));
  /** @type {Map<number, Found>} */
  const files = new Map(); // by number: what this view has sent, to be opened
  let numbers = 0;
  /** @type {Sent[]} */
  let queue = [];
  /** @type {Sent | null} */
  let current = null; // the file that the kernel has not answered yet
  /** @type {Row[]} */
  let rows = [];
  let run = -1;
  let lacking = false; // rows were asked for
  /** @type {{row: Row, id: number} | null} */
  let opening = null; // the file that was asked for and is not open yet
  let heeded = false; // the kernel has taken files of this view since they were announced
  let cancelled = false; // by the person, and the kernel may not have heard of it
  const clock = wakingClock();
  let heard = clock(); // when the kernel last said something
  let gone = false; // it was given up
  /** @type {{time: number, done: number} | null} */
  let began = null; // this stretch of work
  let spoke = 0;
  const line = recovery(model, { onLine, onSaid });

  // --- what is on view ---------------------------------------------------------------------------------------------
  const spoken = element("p", { className: "lv-unseen", role: "status" });
  /** @param {string | null} text */
  const say = (text) => (spoken.textContent = text);
  const message = element("p", { className: "lv-batch-message", hidden: true, role: "alert" });
  /** @param {string} text */
  function tell(text) {
    message.textContent = text;
    message.hidden = !text;
  }

  /** @param {Properties<"input">} properties */
  const choice = (properties) => {
    const input = element("input", { type: "file", multiple: true, hidden: true, ...properties });
    input.addEventListener("change", () => take(chosenFiles(input)));
    return input;
  };
  const images = choice({ accept: ACCEPTED });
  const folder = choice({ webkitdirectory: true });
  const chooseImages = button("Choose images", () => images.click(), { className: "lv-primary" });
  const zone = element(
    "div",
    { className: "lv-zone lv-batch-zone" },
    element("div", { className: "lv-row" }, chooseImages, button("Choose a folder", () => folder.click()), images, folder),
    element("p", { className: "lv-batch-hint", textContent: `or drop files or a folder here · JPEG, PNG, HEIC, WebP, TIFF, BMP, DICOM of up to ${megabytes(facts.max_bytes)} each, at most ${count(facts.max_files)}` }),
  );

  const bar = element("progress", { ariaLabel: "Files looked at" });
  const words = element("p", { className: "lv-batch-words" });
  const stop = button("Cancel", cancel);
  const progress = element("div", { className: "lv-batch-progress" }, bar, words, stop);

  const summary = element("p", { className: "lv-batch-summary" });
  const outcomes = [
    { value: "", label: "all files" },
    ...facts.classes.map(({ code, name }) => ({ value: code, label: `${code}, ${name}` })),
    { value: "refused", label: "no answer" },
    { value: "failed", label: "failed" },
  ];
  let two = false; // whether a second model has seen a row
  const kind = dropdown({
    name: "Show",
    value: "",
    options: outcomes,
    onChange: (value) => refine({ kind: value }),
  });
  const search = element("input", { type: "search", id: newId(), autocomplete: "off", spellcheck: false });
  search.addEventListener("input", () => refine({ text: search.value.trim().toLowerCase() }));
  const force = element("input", { type: "checkbox" });
  force.addEventListener("change", () => {
    table.setForced(force.checked);
    say(force.checked ? "Forced answers are shown, marked as not valid." : "Forced answers are hidden.");
  });
  const forceRow = element("label", { className: "lv-batch-force" }, force, "Show the forced answers to refused pictures; they are not valid");
  const shownWords = element("p", { className: "lv-batch-shown" });
  const ofRun = () => model.get("shown").folder;
  /** @param {string} type */
  const saveRun = (type) => {
    tell("");
    say("Making the file …");
    send({ kind: "archive", do: "save", as: type, forced: force.checked });
  };
  const save = button("Save as CSV", () => (ofRun() ? saveRun("csv") : send({ kind: "csv", forced: force.checked })));
  const saveParquet = button("Save as Parquet", () => saveRun("parquet"));
  const clear = button("Clear", () => send({ kind: "clear" }));
  const restore = button("", () => send({ kind: "restore" }));
  const tools = element(
    "div",
    { className: "lv-batch-tools" },
    element("div", { className: "lv-row" }, kind.node, element("div", { className: "lv-dropdown" }, element("label", { htmlFor: search.id, textContent: "Name contains" }), search), shownWords, element("span", { className: "lv-batch-keep" }, save, saveParquet, clear)),
    forceRow,
  );
  let resting = 0; // until how many are left is said: once typing rests
  /** @param {{kind?: string, text?: string}} change */
  function refine(change) {
    table.setFilter(change);
    clearTimeout(resting);
    resting = setTimeout(() => say(shownWords.textContent), 700);
  }

  const table = batchTable({
    classes: facts.classes,
    canOpen: (row) => facts.can_open && row.outcome !== "failed" && (row.local || files.has(row.id)),
    onOpen: open,
    onChange: (shown) => (shownWords.textContent = rows.length ? `${shown.toLocaleString()} of ${count(rows.length)} shown` : ""),
    say,
  });
  const empty = element("p", { className: "lv-empty", textContent: "No files yet. Each file that you add becomes a row with the model's answer, or says why there is none." });
  const archive = archiveSection({ model, off: facts.archive_off, say, onView: ofRun, there: () => line.trouble() !== "gone" });
  const runWords = element("p", { className: "lv-batch-run" });
  const secondWords = element("p", { className: "lv-batch-run" });
  const restoreRow = element("div", { className: "lv-row lv-batch-restore" }, element("span", { textContent: "The table was cleared." }), restore);
  el.classList.add("lv", "lv-batch");
  keepKeys(el);
  el.replaceChildren(
    zone, archive.node, progress, message, restoreRow, empty, runWords, secondWords, summary, tools, table.node, spoken,
    element("p", { className: "lv-batch-notice", role: "note", textContent: facts.notice }),
  );
  takeDrops(el, take);

  // --- files on their way -----------------------------------------------------------------------------------------
  /** @param {Message & Record<string, unknown>} content */
  function send(content) {
    try {
      model.send(content);
      return true;
    } catch {
      lost();
      return false;
    }
  }
  const unanswered = () => queue.length + (current ? 1 : 0);
  function letGo() {
    queue = [];
    current = null;
  }
  function lost() {
    const [done, total] = counts();
    letGo();
    [gone, began] = [true, null];
    state();
    tell(`Python has stopped${total > done ? `, so ${(total - done).toLocaleString()} of ${count(total)} got no answer` : ""}. Reload the page, or run the cell again, and choose them once more.`);
  }
  function onLine() {
    if (line.trouble() === "gone" && !gone && (model.get("running") || current)) return lost();
    state();
    if (!progress.hidden) say(words.textContent);
  }
  const announce = () => send({ kind: "queue", sender, count: unanswered(), current: current?.id });
  /** The kernel has said everything again, and who sends to it: go on from there.
   * @param {BatchSaid} content
   */
  function onSaid({ sender: theirs, answered, opened }) {
    lacking = send({ kind: "rows", from: rows.length });
    archive.again();
    if (cancelled) send({ kind: "cancel" });
    else if (current && heeded && theirs !== sender) letGo(); // it was told to stop meanwhile
    else if (current && announce()) {
      if (current.id === answered) next();
      else deliver(current);
    }
    if (opening?.id === opened) opening = null;
    else if (opening) sendOpening();
    began = null; // how long it takes is measured anew
    redraw();
  }

  /** @param {Found[]} found */
  function take(found) {
    const wanted = found.filter(({ path }) => !CLUTTER.test(path)).sort((a, b) => collator.compare(a.path, b.path));
    const held = model.get("shown").behind ?? model.get("total"); // a run gives way to files
    const taken = wanted.slice(0, Math.max(0, facts.max_files - held));
    tell("");
    if (!wanted.length) tell("There are no files in what was chosen. Choose images, or a folder that holds some.");
    else if (taken.length < wanted.length) {
      tell(`A batch holds ${count(facts.max_files)}: ${count(wanted.length - taken.length)} of ${wanted.length.toLocaleString()} left out. Save the table, clear it and add them then.`);
    }
    if (!taken.length) return;
    if (line.trouble() === "gone") return lost();
    heeded &&= Boolean(current);
    cancelled = false;
    queue.push(...taken.map((one) => ({ ...one, id: sender * 2 ** 20 + ++numbers })));
    if (!announce()) return;
    heard = clock();
    gone = false;
    say(`${count(taken.length)} added.`);
    if (!current) next();
    state();
  }

  function next() {
    current = queue.shift() ?? null;
    if (current) deliver(current);
  }
  /** @param {Sent} sent */
  async function deliver({ file, path, id, unreadable }) {
    files.set(id, { file, path });
    const more = { name: brief(path), sender };
    const announcement = { kind: "file", id, size: file.size, ...more };
    if (unreadable) send({ ...announcement, kind: "unreadable" });
    else if (!file.size || file.size > facts.max_bytes) send(announcement); // its row says why nothing more came
    else {
      try {
        await sendFile(model, file, { id, wanted: () => current?.id === id, more });
      } catch {
        // The browser may no longer read it (moved, changed since), or the kernel is gone, which send() notices.
        if (current?.id === id) send({ ...announcement, kind: "unreadable" });
      }
    }
  }
  /** A name as long as the kernel takes; its end says more than its beginning.
   * @param {string} path
   */
  const brief = (path) => (path.length > facts.max_name ? `…${path.slice(1 - facts.max_name)}` : path);

  function cancel() {
    cancelled = true;
    letGo();
    if (line.trouble() === "there" && clock() - heard > PATIENCE) lost(); // nobody would answer
    send({ kind: "cancel" });
    state();
  }

  /** Ask for a file to be opened: it travels once more, or the kernel reads it again.
   * @param {Row} row
   */
  function open(row) {
    opening = { row, id: sender * 2 ** 20 + ++numbers };
    tell("");
    say(`Opening ${row.name} …`);
    sendOpening();
  }
  async function sendOpening() {
    if (!opening) return;
    const { row, id } = opening;
    const kept = files.get(row.id);
    if (!kept) return void send({ kind: "open", row: row.number - 1, id });
    try {
      await sendFile(model, kept.file, { id, wanted: () => opening?.id === id, more: { name: brief(kept.path), open: true } });
    } catch {
      opening = null;
      tell(`${row.name} cannot be opened: the browser may no longer read it. Check that it is still there, or choose it again.`);
    }
  }

  // --- what the kernel says -----------------------------------------------------------------------------------------
  function listen() {
    heard = clock();
    gone = false;
  }
  /** @param {BatchTold} content @param {Bytes[]} buffers */
  function onMessage(content, buffers) {
    if (!content || typeof content !== "object") return;
    listen();
    if (content.kind === "next" && content.id === current?.id) {
      heeded = true;
      next();
    }
    if (content.kind === "stopped" && content.sender === sender) {
      letGo();
      cancelled = false;
      redraw();
    }
    if (content.kind === "rows") receive(content, buffers);
    if (content.kind === "csv" || content.kind === "parquet") {
      download(content.name, buffers[0], content.kind === "csv" ? "text/csv" : "application/vnd.apache.parquet");
      say(`${content.name} is saved.`);
    }
    if (content.kind === "unsaved") tell(content.words);
    archive.hear(content);
    if (content.kind === "opened") {
      opening = null;
      if (content.problem) tell(content.problem);
      else say("Opened.");
    }
  }
  /** @param {SentRows} content @param {Bytes[]} thumbnails */
  function receive({ run: theirs, from, count: all, rows: some }, thumbnails) {
    if (theirs < run) return;
    if (theirs > run) {
      run = theirs;
      rows = [];
      lacking = false;
    }
    if (from <= rows.length) {
      some.forEach((row, index) => {
        if (from + index === rows.length) rows.push({ ...row, number: from + index + 1, thumbnail: thumbnails[index] });
      });
      lacking = false;
    }
    if (rows.length < all && !lacking) lacking = send({ kind: "rows", from: rows.length });
    redraw();
  }
  const redraw = oncePerFrame(() => {
    table.set(rows);
    table.draw();
    /** @param {(row: Row) => boolean} fits */
    const tally = (fits) => rows.filter(fits).length;
    const refused = tally((row) => row.outcome === "refused");
    const parts = [
      ...facts.classes.map(({ code }) => ({ number: tally((row) => row.outcome === "answered" && row.diagnosis === code), name: code })),
      { number: refused, name: "without an answer" },
      { number: tally((row) => row.outcome === "failed"), name: "failed" },
      { number: tally((row) => row.agree === false), name: "on which the models disagree" },
    ];
    const both = rows.some(({ second }) => second);
    if (both !== two) {
      two = both;
      kind.fill(two ? [...outcomes, { value: "disagree", label: "models disagree" }] : outcomes);
      table.setFilter({ kind: kind.select.value });
    }
    const its = model.get("second");
    secondWords.hidden = !its;
    const lack = rows.filter(({ outcome, second }) => outcome !== "failed" && !second).length;
    secondWords.replaceChildren(element("b", { textContent: "Second model: " }), `${its} is asked about every file that is added.${lack && its ? ` ${count(lack, "row")} came before it, and lack${lack === 1 ? "s" : ""} its answer.` : ""}`);
    summary.replaceChildren(
      element("b", { textContent: count(rows.length) }),
      ...parts.filter(({ number }) => number).flatMap(({ number, name }) => [" · ", element("span", { className: "lv-batch-part", textContent: `${number.toLocaleString()} ${name}` })]),
    );
    forceRow.hidden = !refused;
    const { folder: place = "", images: all = 0 } = model.get("shown");
    runWords.hidden = saveParquet.hidden = !place;
    const more = all > rows.length ? `: the first ${count(rows.length, "row")} of ${all.toLocaleString()}; a saved file has all of them.` : "";
    runWords.replaceChildren(element("b", { textContent: "Results in " }), `${place}${more}`);
    el.classList.toggle("lv-of-run", Boolean(place));
    clear.textContent = place ? "Close the run" : "Clear";
    archive.redraw();
    state();
  });

  // --- progress -------------------------------------------------------------------------------------------------------
  function counts() {
    const done = model.get("done");
    return [done, Math.max(model.get("total"), done + unanswered())]; // until the kernel has counted them
  }
  function state() {
    const [done, total] = counts();
    const trouble = line.trouble();
    const running = !gone && trouble !== "gone" && (model.get("running") || Boolean(current));
    cancelled &&= running;
    const now = clock();
    if (running && !began) began = { time: now, done };
    bar.max = total || 1;
    bar.value = done;
    const silent = now - heard;
    if (running && began) {
      const here = done - began.done;
      const left = here >= 3 ? `, about ${duration(((now - began.time) / here) * (total - done))} left` : "";
      const far = `${done.toLocaleString()} of ${total.toLocaleString()}`;
      if (trouble !== "there") words.textContent = `${far}. ${cancelled ? "Cancelled." : restWords(trouble)}`;
      else if (silent > PATIENCE) words.textContent = `${far}. No answer for ${duration(silent)}: the kernel is busy or gone, or the page that sent the files was closed.`;
      else words.textContent = `${far}${left || (here ? "" : ", the first one takes longest")}`;
      if (now - spoke > SPOKEN && here) {
        spoke = now;
        say(words.textContent);
      }
    } else if (began) {
      if (!model.get("note") && done > began.done) say(`Finished. ${summary.textContent}`);
      began = null;
    }
    const any = rows.length > 0;
    restore.textContent = `Bring back ${count(model.get("removed"), "row")}`;
    clear.disabled = running;
    zone.classList.toggle("lv-small", any || running);
    const focused = focusIn(el);
    progress.hidden = !running;
    empty.hidden = any || running;
    restoreRow.hidden = !(model.get("removed") > 0);
    for (const node of [summary, tools, table.node]) node.hidden = !any;
    // What had the focus may be gone with its part of the page; the keyboard goes on at the next thing to do.
    if (focused && !focused.checkVisibility()) [restore, save, chooseImages].find((node) => node.checkVisibility())?.focus();
  }
  const onState = () => {
    listen();
    redraw();
  };
  const onNote = () => tell(model.get("note"));
  const watch = setInterval(() => {
    if (progress.hidden) clock();
    else state();
  }, 1000);

  model.on("msg:custom", onMessage);
  const counted = /** @type {const} */ (["done", "total", "running", "removed", "shown", "second"]);
  for (const name of counted) model.on(`change:${name}`, onState);
  model.on("change:note", onNote);
  onNote();
  state();
  send({ kind: "rows", from: 0 });
  return () => {
    if (current) cancel(); // nobody else has these files
    line.release();
    clearInterval(watch);
    clearTimeout(resting);
    model.off("msg:custom", onMessage);
    for (const name of counted) model.off(`change:${name}`, onState);
    model.off("change:note", onNote);
    table.release();
    archive.release();
  };
}
