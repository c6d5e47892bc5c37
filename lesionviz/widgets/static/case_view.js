// Network input, heatmap and overlay of one case. Alpha is blended here by the style sheet's opacity:
// no message goes to the kernel when it moves.

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

let views = 0;

function render({ model, el }) {
  const id = `lv-alpha-${++views}`;
  const input = element("img");
  const heatmap = element("img");
  const photo = element("img");
  const veil = element("img", { className: "lv-veil", alt: "" });
  const captions = { input: element("figcaption"), heatmap: element("figcaption"), overlay: element("figcaption") };
  const figures = element(
    "div",
    { className: "lv-figures" },
    element("figure", { className: "lv-input" }, input, captions.input),
    element("figure", { className: "lv-heatmap" }, heatmap, captions.heatmap),
    element("figure", { className: "lv-overlay" }, element("div", { className: "lv-stack" }, photo, veil), captions.overlay),
  );
  const ramp = element("span", { className: "lv-ramp" });
  ramp.style.background = `linear-gradient(90deg, ${model.get("colours").join(", ")})`;
  const most = element("span");
  const legend = element("div", { className: "lv-legend" }, element("span", { textContent: "none or against" }), ramp, most);
  const slider = element("input", { type: "range", min: 0, max: 1, step: 0.01, id });
  const output = element("output", { htmlFor: id });
  const alpha = element(
    "div",
    { className: "lv-alpha" },
    element("label", { htmlFor: id, textContent: "Alpha: strength of the heatmap" }),
    slider,
    output,
  );
  const remark = element("p", { className: "lv-remark" });
  const controls = element("div", { className: "lv-under" }, legend, alpha);
  const shown = element("div", {}, figures, controls, remark);
  const empty = element("p", { className: "lv-empty", textContent: "The heatmap is being computed …" });
  el.classList.add("lv-case");
  el.replaceChildren(shown, empty);

  const urls = new Map();
  function put(image, trait, type) {
    const bytes = model.get(trait);
    if (urls.has(image)) URL.revokeObjectURL(urls.get(image));
    urls.delete(image);
    if (bytes.byteLength) {
      urls.set(image, URL.createObjectURL(new Blob([bytes], { type })));
      image.src = urls.get(image);
    } else {
      image.removeAttribute("src");
    }
  }

  function blend() {
    veil.style.opacity = slider.value;
    output.textContent = `${Math.round(slider.value * 100)}%`;
    slider.setAttribute("aria-valuetext", output.textContent);
  }

  function draw() {
    const words = model.get("words");
    const any = model.get("photo").byteLength > 0;
    shown.hidden = !any;
    empty.hidden = any;
    put(input, "network_input", "image/png");
    put(heatmap, "heatmap", "image/png");
    put(photo, "photo", "image/jpeg");
    put(veil, "heatmap", "image/png");
    input.alt = any ? `${words.input}, from ${words.source}` : "";
    heatmap.alt = any ? `${words.heatmap}, in ${words.source}. ${words.remark}` : "";
    photo.alt = any ? words.overlay : "";
    captions.input.textContent = words.input ?? "";
    captions.heatmap.textContent = words.heatmap ?? "";
    captions.overlay.textContent = words.overlay ?? "";
    most.textContent = words.most ?? "";
    remark.textContent = words.remark ?? "";
    remark.hidden = !words.remark;
  }

  // Equal heights: the input is square, the photo has its own proportions.
  photo.addEventListener("load", () => {
    const ratio = photo.naturalWidth / photo.naturalHeight;
    const wide = `minmax(0, ${ratio}fr)`;
    figures.style.setProperty("--lv-ratio", ratio);
    figures.style.setProperty("--lv-columns", `minmax(0, 1fr) ${wide} ${wide}`);
  });
  slider.addEventListener("input", blend);
  function alphaSet() {
    slider.value = model.get("alpha");
    blend();
  }
  model.on("change:words", draw); // the pictures change together with the words, in one message
  model.on("change:alpha", alphaSet);
  alphaSet();
  draw();
  return () => {
    model.off("change:words", draw);
    model.off("change:alpha", alphaSet);
    urls.forEach((url) => URL.revokeObjectURL(url));
  };
}

export default { render };
