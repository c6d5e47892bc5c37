// A teacher's folder on its way to the kernel: its paths first, then each file that the kernel wants, the next one when
// the last was taken. The other end is FolderUpload in quiz_folder.py, which reads the classes from the folders' names.

/** `onProgress(done, of)` is told how far it is, and `onProgress(null)` when it has ended. */
function folderSender(model, { onProgress }) {
  let latest = Math.floor(Math.random() * 1e9); // another view of the same quiz has other numbers
  let hear = () => {};
  const onMessage = (content) => {
    if (content.folder === latest) hear(content);
  };
  model.on("msg:custom", onMessage);
  const reply = () => new Promise((done) => (hear = done));

  /** Send files as `droppedFiles` gives them, {file, path}. */
  async function send(found) {
    const mine = ++latest;
    const wanted = () => mine === latest;
    onProgress(0, 0);
    const first = reply();
    model.send({ kind: "folder", id: mine, paths: found.map(({ path }) => path) });
    const { kind, files = [] } = await first;
    if (!wanted()) return;
    for (const [done, id] of kind === "wanted" ? files.entries() : []) {
      onProgress(done, files.length);
      let settled = false;
      const taken = reply().then(() => (settled = true));
      try {
        await sendFile(model, found[id].file, { id, wanted: () => wanted() && !settled });
        if (!wanted()) return;
        await taken;
      } catch {
        model.send({ kind: "unreadable", id }); // moved or changed since it was chosen; the kernel tells the teacher
      }
      if (!wanted()) return;
    }
    onProgress(null);
    if (kind === "wanted") model.send({ kind: "folder end" });
  }
  return {
    send,
    cancel() {
      latest++;
      model.send({ kind: "folder cancel" });
      onProgress(null);
    },
    release: () => model.off("msg:custom", onMessage),
  };
}

/** A button and a drop zone for a folder. */
function folderPicker(model) {
  const bar = element("progress", { max: 1, value: 0, ariaLabel: "Pictures that have arrived" });
  const words = element("span");
  const stop = button("Cancel", () => sender.cancel());
  const progress = element("div", { className: "lv-quiz-progress", hidden: true, role: "status" }, bar, words, stop);
  const input = element("input", { type: "file", webkitdirectory: true, multiple: true, hidden: true });
  const choose = button("Make a set from a folder", () => input.click());
  const zone = element(
    "div",
    { className: "lv-zone lv-quiz-zone" },
    choose,
    element("p", { textContent: "or drop a folder here. Its subfolders are named after the classes: BCC, BKL, MEL, NV, or the full names. On pictures that the model was trained on, such as many of ISIC's, it does better than on yours." }),
    progress,
    input,
  );
  let onBusy = () => {};
  const sender = folderSender(model, {
    onProgress(done, of) {
      progress.hidden = done === null;
      choose.disabled = done !== null;
      onBusy(done !== null);
      if (done === null) return;
      bar.max = of || 1;
      bar.value = done;
      words.textContent = of ? `${done} of ${of} pictures` : "Reading the folder …";
    },
  });
  input.addEventListener("change", () => {
    const found = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
    input.value = ""; // so that the same folder can be chosen again
    if (found.length) sender.send(found);
  });
  takeDrops(zone, (found) => sender.send(found));
  return { node: zone, release: sender.release, listen: (heard) => (onBusy = heard) };
}
