// Files on their way to the kernel, one at a time, in pieces below the 10 MiB at which Jupyter drops the connection.
// The other end is upload.py. {kind: "file", id, name, size}, then {kind: "piece", id, start} with bytes.

const PIECE = 4 * 2 ** 20; // most photographs are one
const STEP = 2 * PIECE;
const ACCEPTED = ".jpg,.jpeg,.jpe,.jfif,.png,.webp,.tif,.tiff,.bmp,.heic,.heif,.hif,.avif,.dcm";
const isPicture = (file) => file.type.startsWith("image/") || /\.(jpe?g|jpe|jfif|png|webp|tiff?|bmp|hei[cf]|hif|avif|dcm)$/i.test(file.name);
const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 2 : 0)} MiB`;

/** A name for one choice of a picture, which no other page has given either. */
const newRequest = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;

/** Send a file. Ends early, and answers false, when `wanted()` no longer holds: a newer file has come.
 *  Fails where the browser can no longer read the file. */
async function sendFile(model, file, { id, wanted = () => true, more = {} }) {
  // Read in large steps, and the first before the announcement: the pieces then leave in one go, before this page is busy
  // with the answer to it.
  for (let from = 0; from === 0 || from < file.size; from += STEP) {
    const step = await file.slice(from, from + STEP).arrayBuffer();
    if (!wanted()) return false;
    if (from === 0) model.send({ kind: "file", id, name: file.name, size: file.size, ...more });
    for (let at = 0; at < step.byteLength; at += PIECE) model.send({ kind: "piece", id, start: from + at }, undefined, [step.slice(at, at + PIECE)]);
  }
  return true;
}

/** The picture of a file, drawn anew with at most `longest` pixels along a side, as a JPEG file; null where the browser
 *  cannot decode it. For files and pictures above the limits, when the person asks for it. */
async function shrink(file, longest) {
  try {
    const bitmap = await createImageBitmap(file);
    const factor = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
    const canvas = element("canvas", { width: Math.round(bitmap.width * factor), height: Math.round(bitmap.height * factor) });
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#fff"; // as Python does under what is transparent; JPEG would make it black
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
    return blob && new File([blob], file.name.replace(/\.[^.]*$/, "") + ".jpg", { type: "image/jpeg" });
  } catch {
    return null;
  }
}

/** All files of a drop, folders opened; `path` tells where each lay. What the browser is not allowed to read comes as an
 *  empty file, marked `unreadable`, so that one of them does not make the whole drop fail. */
async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [];
  async function walk(entry, path) {
    try {
      await open(entry, path);
    } catch {
      found.push({ file: new File([], entry.name), path: path + entry.name, unreadable: true });
    }
  }
  async function open(entry, path) {
    if (entry.isFile) {
      const file = await new Promise((done, fail) => entry.file(done, fail));
      found.push({ file, path: path + entry.name });
    } else {
      const reader = entry.createReader();
      for (let batch; (batch = await new Promise((done, fail) => reader.readEntries(done, fail))).length; ) {
        for (const child of batch) await walk(child, `${path}${entry.name}/`);
      }
    }
  }
  for (const entry of entries) await walk(entry, "");
  return found;
}

/** Make a node take dropped files. */
function takeDrops(node, onFiles) {
  const stop = (event) => {
    event.preventDefault();
    event.stopPropagation(); // Jupyter would open the file in a tab
  };
  for (const type of ["dragenter", "dragover"]) {
    node.addEventListener(type, (event) => {
      stop(event);
      node.classList.add("lv-over");
    });
  }
  node.addEventListener("dragleave", (event) => {
    if (!node.contains(event.relatedTarget)) node.classList.remove("lv-over");
  });
  node.addEventListener("drop", async (event) => {
    stop(event);
    node.classList.remove("lv-over");
    onFiles(await droppedFiles(event.dataTransfer));
  });
}
