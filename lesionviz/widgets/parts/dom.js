// Building blocks of every widget's page: elements, labelled controls, downloads. Knows nothing of lesions.

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An id that no other control of the page has, also not of another widget: each runs its own copy of this file. */
function newId() {
  globalThis.lesionvizControls = (globalThis.lesionvizControls ?? 0) + 1;
  return `lv-control-${globalThis.lesionvizControls}`;
}

/** A range with a visible name and its value in words. `words(value)` is what is shown and spoken. */
function slider({ name, min, max, step, value, words, onInput, className = "" }) {
  const id = newId();
  const input = element("input", { type: "range", id, min, max, step });
  const output = element("output", { htmlFor: id });
  const node = element("div", { className: `lv-slider ${className}` }, element("label", { htmlFor: id, textContent: name }), input, output);
  function set(next) {
    input.value = next;
    output.textContent = words(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  }
  input.addEventListener("input", () => {
    set(input.value);
    onInput(Number(input.value));
  });
  set(value);
  return { node, input, set };
}

/** A drop-down with a visible name. Options are {value, label, disabled}. */
function dropdown({ name, options, value, onChange, className = "" }) {
  const id = newId();
  const select = element("select", { id });
  const node = element("div", { className: `lv-dropdown ${className}` }, element("label", { htmlFor: id, textContent: name }), select);
  function fill(next) {
    const chosen = select.value;
    select.replaceChildren(...next.map(({ value, label, disabled = false }) => element("option", { value, textContent: label, disabled })));
    if (next.some((option) => option.value === chosen)) select.value = chosen;
  }
  fill(options);
  select.value = value;
  select.addEventListener("change", () => onChange(select.value));
  return { node, select, fill, set: (next) => (select.value = next) };
}

/** One choice out of a few, all in view: native radio buttons that look like one bar. */
function segments({ name, options, value, onChange, className = "" }) {
  const group = newId();
  const node = element("fieldset", { className: `lv-segments ${className}` }, element("legend", { textContent: name }));
  const bar = element("div", { className: "lv-segments-bar" });
  node.append(bar);
  let inputs = [];
  function fill(next) {
    const chosen = inputs.find((input) => input.checked)?.value ?? value;
    inputs = next.map((option) => element("input", { type: "radio", name: group, value: option.value, disabled: Boolean(option.disabled) }));
    bar.replaceChildren(
      ...next.map((option, index) => element("label", { title: option.title ?? "" }, inputs[index], element("span", { textContent: option.label }))),
    );
    set(chosen);
  }
  function set(next) {
    for (const input of inputs) input.checked = input.value === next;
  }
  bar.addEventListener("change", (event) => onChange(event.target.value));
  fill(options);
  return { node, fill, set };
}

function button(text, onClick, properties = {}) {
  const node = element("button", { type: "button", textContent: text, ...properties });
  node.addEventListener("click", onClick);
  return node;
}

/** Hand a file to the person; a copy of the bytes, so that the widget's own stay as they are. */
function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Object URLs of pictures, released when replaced. */
function pictures() {
  const urls = new Map();
  return {
    put(image, bytes, type) {
      if (urls.has(image)) URL.revokeObjectURL(urls.get(image));
      urls.delete(image);
      if (bytes?.byteLength) {
        urls.set(image, URL.createObjectURL(new Blob([bytes], { type })));
        image.src = urls.get(image);
      } else {
        image.removeAttribute("src");
      }
    },
    release() {
      urls.forEach((url) => URL.revokeObjectURL(url));
      urls.clear();
    },
  };
}

const percent = (share) => `${Math.round(share * 100)}%`;
const fileName = (text) => text.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "") || "case";

/** Keep keys that are pressed here from being JupyterLab's: "d d" would delete the cell, and arrows would leave a slider.
 *  Its shortcuts match the focused element itself, so each one is marked when it gets the focus. */
function keepKeys(node) {
  node.addEventListener("focusin", (event) => (event.target.dataset.lmSuppressShortcuts = "true"));
}

/** Call `work` once at the next frame, however often it is asked for. */
function oncePerFrame(work) {
  let asked = 0;
  return () => {
    if (!asked) asked = requestAnimationFrame(() => ((asked = 0), work()));
  };
}

/** Milliseconds on a clock that stands still while the computer sleeps, for whoever looks at it at least every other second. */
function wakingClock() {
  let time = 0;
  let looked = performance.now();
  return () => {
    const now = performance.now();
    time += Math.min(now - looked, 2000);
    looked = now;
    return time;
  };
}
