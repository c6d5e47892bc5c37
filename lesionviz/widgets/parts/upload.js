// Files on their way to the kernel, one at a time, in pieces below the 10 MiB at which Jupyter drops the connection.
// The other end is upload.py. {kind: "file", id, name, size}, then {kind: "piece", id, start} with bytes.
// @ts-check

const PIECE = 4 * 2 ** 20; // most photographs are one
const STEP = 2 * PIECE;
const ACCEPTED = ".jpg,.jpeg,.jpe,.jfif,.png,.webp,.tif,.tiff,.bmp,.heic,.heif,.hif,.avif,.dcm";
/** @param {File} file */
const isPicture = (file) => file.type.startsWith("image/") || /\.(jpe?g|jpe|jfif|png|webp|tiff?|bmp|hei[cf]|hif|avif|dcm)$/i.test(file.name);
/** @param {number} bytes */
const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 2 : 0)} MiB`;

/** A name for one choice of a picture, which no other page has given either. */
const newRequest = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;

/** Send a file. Ends early, and answers false, when `wanted()` no longer holds: a newer file has come.
 *  Fails where the browser can no longer read the file.
 * @param {Sender} model
 * @param {File} file
 * @param {{id: number, wanted?: () => boolean, more?: object}} options `more`: what else the announcement says
 */
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
 *  cannot decode it. For files and pictures above the limits, when the person asks for it.
 * @param {File} file
 * @param {number} longest
 * @returns {Promise<File | null>}
 */
async function shrink(file, longest) {
  try {
    const bitmap = await createImageBitmap(file);
    const factor = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
    const canvas = element("canvas", { width: Math.round(bitmap.width * factor), height: Math.round(bitmap.height * factor) });
    const pen = penOf(canvas);
    pen.fillStyle = "#fff"; // as Python does under what is transparent; JPEG would make it black
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    /** @type {Blob | null} */
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
    return blob && new File([blob], file.name.replace(/\.[^.]*$/, "") + ".jpg", { type: "image/jpeg" });
  } catch {
    return null;
  }
}

/** A file that was chosen or dropped, and where it lay; `unreadable`: the browser may not read it, and it stands here empty.
 * @typedef {{file: File, path: string, unreadable?: boolean}} Found
 */

/** What was chosen with a file input, which can be asked for the same once more.
 * @param {HTMLInputElement} input
 * @returns {Found[]}
 */
function chosenFiles(input) {
  const found = [...(input.files ?? [])].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
  input.value = "";
  return found;
}

/** All files of a drop, folders opened. One that the browser is not allowed to read does not make the whole drop fail.
 * @param {DataTransfer} transfer
 * @returns {Promise<Found[]>}
 */
async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null && entry !== undefined);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files].map((file) => ({ file, path: file.name }));
  /** @type {Found[]} */
  const found = [];
  /** @param {FileSystemEntry} entry @param {string} path */
  async function walk(entry, path) {
    try {
      await open(entry, path);
    } catch {
      found.push({ file: new File([], entry.name), path: path + entry.name, unreadable: true });
    }
  }
  /** @param {FileSystemEntry} entry @param {string} path */
  async function open(entry, path) {
    if (entry.isFile) {
      found.push({ file: await fileOf(/** @type {FileSystemFileEntry} */ (entry)), path: path + entry.name });
    } else {
      const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
      for (let batch; (batch = await entriesOf(reader)).length; ) {
        for (const child of batch) await walk(child, `${path}${entry.name}/`);
      }
    }
  }
  for (const entry of entries) await walk(entry, "");
  return found;
}

/** @param {FileSystemFileEntry} entry @returns {Promise<File>} */
const fileOf = (entry) => new Promise((done, fail) => entry.file(done, fail));

/** The next entries of a folder, none when there are no more.
 * @param {FileSystemDirectoryReader} reader
 * @returns {Promise<FileSystemEntry[]>}
 */
const entriesOf = (reader) => new Promise((done, fail) => reader.readEntries(done, fail));

/** Make a node take dropped files.
 * @param {HTMLElement} node
 * @param {(found: Found[]) => void} onFiles
 */
function takeDrops(node, onFiles) {
  /** @param {DragEvent} event */
  const stop = (event) => {
    event.preventDefault();
    event.stopPropagation(); // Jupyter would open the file in a tab
  };
  /** @param {DragEvent} event */
  const over = (event) => {
    stop(event);
    node.classList.add("lv-over");
  };
  node.addEventListener("dragenter", over);
  node.addEventListener("dragover", over);
  node.addEventListener("dragleave", (event) => {
    if (!(event.relatedTarget instanceof Node && node.contains(event.relatedTarget))) node.classList.remove("lv-over");
  });
  node.addEventListener("drop", async (event) => {
    stop(event);
    node.classList.remove("lv-over");
    if (event.dataTransfer) onFiles(await droppedFiles(event.dataTransfer));
  });
}
