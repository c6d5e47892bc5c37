// A teacher's folder on its way to the kernel: its paths first, then each file that the kernel wants, the next one when
// the last was taken. The other end is FolderUpload in quiz_folder.py, which reads the classes from the folders' names. Over a
// new connection (recovery.js) the kernel says which files it still wants, and it goes on with those.
// @ts-check

/** A folder under way; `wanted`: the files that the kernel lacks, null until it has said so; `of` as many as at first.
 * @typedef {{id: number, found: Found[], wanted: number[] | null, of?: number}} Folder
 */

/** `onProgress(done, of)` is told how far it is, and `onProgress(null)` when it has ended.
 * @param {Wire<QuizTold>} model
 * @param {{onProgress: (done: number | null, of?: number) => void}} heard
 */
function folderSender(model, { onProgress }) {
  const first = Math.floor(Math.random() * 1e9); // another view of the same quiz has other numbers
  let latest = first;
  /** @type {Folder | null} */
  let folder = null;

  /** @param {QuizTold} content */
  function onMessage(content) {
    if (!folder || content.kind === "csv" || content.kind === "turned" || content.folder !== folder.id) return;
    if (content.kind === "wanted") goOn(folder, content.files);
    if (content.kind === "took" && content.file === folder.wanted?.[0]) goOn(folder, folder.wanted.slice(1));
    if (content.kind === "refused" || content.kind === "ended") end();
  }
  model.on("msg:custom", onMessage);
  /** @param {Folder} mine */
  const announce = (mine) => model.send({ kind: "folder", id: mine.id, paths: mine.found.map(({ path }) => path) });

  /** @param {Folder} mine @param {number[]} wanted */
  function goOn(mine, wanted) {
    mine.wanted = wanted;
    mine.of ??= wanted.length;
    onProgress(mine.of - wanted.length, mine.of);
    if (wanted.length) deliver(mine, wanted[0]);
    else model.send({ kind: "folder end" });
  }
  /** @param {Folder} mine @param {number} id */
  async function deliver(mine, id) {
    const wanted = () => folder === mine && mine.wanted?.[0] === id;
    try {
      await sendFile(model, mine.found[id].file, { id, wanted });
    } catch {
      if (!wanted()) return;
      model.send({ kind: "unreadable", id }); // moved or changed since it was chosen; the kernel tells the teacher
      goOn(mine, mine.wanted?.slice(1) ?? []);
    }
  }
  function end() {
    folder = null;
    onProgress(null);
  }
  function cancel() {
    model.send({ kind: "folder cancel" });
    end();
  }
  return {
    /** @param {Found[]} found */
    send(found) {
      folder = { id: ++latest, found, wanted: null };
      onProgress(0, 0);
      announce(folder);
    },
    cancel,
    /** Whether a folder is under way. */
    busy: () => folder !== null,
    end,
    /** The kernel has said everything again, and which files it wants of which folder.
     * @param {FolderSaid} content
     */
    onSaid({ folder: theirs, files }) {
      if (folder && theirs === folder.id) goOn(folder, files);
      else if (folder && !folder.wanted) announce(folder);
      else if (folder) end(); // it is done with, or another one came
      else if (theirs > first && theirs <= latest) cancel(); // once more: nobody heard it
    },
    release() {
      if (folder) cancel(); // nobody else has these files
      model.off("msg:custom", onMessage);
    },
  };
}

/** A button and a drop zone for a folder, on a line (recovery.js).
 * @param {Wire<QuizTold>} model
 * @param {() => Trouble} trouble
 */
function folderPicker(model, trouble) {
  const bar = element("progress", { max: 1, value: 0, ariaLabel: "Pictures that have arrived" });
  const words = element("span");
  const stop = button("Cancel", () => sender.cancel());
  const progress = element("div", { className: "lv-quiz-progress", hidden: true, role: "status" }, bar, words, stop);
  const input = element("input", { type: "file", webkitdirectory: true, multiple: true, hidden: true });
  const lost = element("p", { className: "lv-message lv-lost", role: "alert", hidden: true, textContent: "Python stopped before the set was complete. Make it again afterwards." });
  const choose = button("Make a set from a folder", () => input.click());
  const zone = element(
    "div",
    { className: "lv-zone lv-quiz-zone" },
    choose,
    element("p", { textContent: "or drop a folder here. Its subfolders are named after the classes: BCC, BKL, MEL, NV, or the full names. On pictures that the model was trained on, such as many of ISIC's, it does better than on yours." }),
    progress,
    lost,
    input,
  );
  /** @type {(busy: boolean) => void} */
  let onBusy = () => {};
  const sender = folderSender(model, {
    onProgress(done, of = 0) {
      progress.hidden = done === null;
      choose.disabled = done !== null;
      onBusy(done !== null);
      if (done === null) return;
      lost.hidden = true;
      far = [done, of];
      say();
    },
  });
  let far = [0, 0];
  function say() {
    const [done, of] = far;
    bar.max = of || 1;
    bar.value = done;
    const waits = restWords(trouble());
    words.textContent = `${of ? `${done} of ${of} pictures` : "Reading the folder"}${waits ? `. ${waits}` : of ? "" : " …"}`;
  }
  function onLine() {
    if (!sender.busy()) return;
    if (trouble() !== "gone") return say();
    sender.end();
    lost.hidden = false;
  }
  /** @param {Found[]} found */
  function begin(found) {
    lost.hidden = trouble() !== "gone";
    if (found.length && lost.hidden) sender.send(found);
  }
  input.addEventListener("change", () => begin(chosenFiles(input)));
  takeDrops(zone, begin);
  /** @param {(busy: boolean) => void} heard */
  const listen = (heard) => (onBusy = heard);
  return { node: zone, release: sender.release, onLine, onSaid: sender.onSaid, listen };
}
