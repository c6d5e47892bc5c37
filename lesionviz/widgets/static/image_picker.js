// The drop zone, the file button and the samples. Talks to image_picker.py:
// {kind: "start", name, size}, then {kind: "piece"} with bytes; or {kind: "sample", number}.

const PIECE = 512 * 1024; // well below the 10 MiB at which Jupyter drops the connection

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function render({ model, el }) {
  let latest = 0; // a newer file makes an older upload stop

  async function upload(file) {
    const mine = ++latest;
    const tooLarge = file.size > model.get("max_bytes");
    model.send({ kind: "start", name: file.name, size: tooLarge ? -1 : file.size });
    if (tooLarge) return;
    for (let from = 0; from < file.size && mine === latest; from += PIECE) {
      const piece = await file.slice(from, from + PIECE).arrayBuffer();
      if (mine === latest) model.send({ kind: "piece" }, undefined, [piece]);
    }
  }

  const input = element("input", {
    type: "file",
    accept: ".jpg,.jpeg,.png,.webp,.tif,.tiff,.bmp",
    className: "lv-picker-input",
  });
  input.addEventListener("change", () => {
    if (input.files.length) upload(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
  const zone = element(
    "label",
    { className: "lv-picker-zone" },
    input,
    element("span", { className: "lv-picker-button", textContent: "Choose an image" }),
    element("span", { className: "lv-picker-hint", textContent: "or drop one here · JPEG, PNG, WebP, TIFF, BMP" }),
  );
  for (const type of ["dragenter", "dragover"]) {
    zone.addEventListener(type, (event) => {
      event.preventDefault();
      event.stopPropagation();
      zone.classList.add("lv-over");
    });
  }
  for (const type of ["dragleave", "drop"]) {
    zone.addEventListener(type, () => zone.classList.remove("lv-over"));
  }
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    if (event.dataTransfer.files.length) upload(event.dataTransfer.files[0]);
  });

  const urls = [];
  const samples = model.get("samples").map(({ name, thumbnail }, number) => {
    const url = URL.createObjectURL(new Blob([thumbnail], { type: "image/jpeg" }));
    urls.push(url);
    const button = element(
      "button",
      { type: "button", className: "lv-picker-sample" },
      element("img", { src: url, alt: "" }),
      element("span", { textContent: name.replace(/^synthetic /, "") }),
    );
    button.setAttribute("aria-label", `Try the ${name}`);
    button.addEventListener("click", () => {
      latest++;
      model.send({ kind: "sample", number });
    });
    return button;
  });
  const row = element("div", { className: "lv-picker-row" }, ...samples);
  const offer = element(
    "div",
    { className: "lv-picker-samples" },
    element("p", {
      textContent:
        "or try a synthetic sample: drawn by a program, in the manner of each diagnosis. " +
        "The model knows photographs only, so expect odd answers.",
    }),
    row,
  );
  el.classList.add("lv-picker");
  el.replaceChildren(zone, offer);
  return () => urls.forEach((url) => URL.revokeObjectURL(url));
}

export default { render };
