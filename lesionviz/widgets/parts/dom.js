// Building blocks of every widget's page: elements, labelled controls, downloads. Knows nothing of lesions.
// @ts-check

/** What an element of a kind may be given. The page makes words of numbers by itself.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @typedef {{[Name in keyof HTMLElementTagNameMap[Tag]]?: Given<HTMLElementTagNameMap[Tag][Name]>}} Properties
 */
/** @template Value @typedef {Value extends string | null ? Value | string | number : Value extends CSSStyleDeclaration | DOMTokenList ? string : Value} Given */

/** Make an element with properties and children; children that are null are left out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Properties<Tag>} properties
 * @param {(Node | string | null | undefined)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function element(tag, properties = {}, ...children) {
  /** @type {HTMLElementTagNameMap[Tag]} */
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An id that no other control of the page has, also not of another widget: each runs its own copy of this file. */
function newId() {
  globalThis.lesionvizControls = (globalThis.lesionvizControls ?? 0) + 1;
  return `lv-control-${globalThis.lesionvizControls}`;
}

/** A range with a visible name and its value in words. `words(value)` is what is shown and spoken.
 * @param {{name: string, min: number, max: number, step: number, value: number, words: (value: number) => string,
 *   onInput: (value: number) => void, className?: string}} options
 */
function slider({ name, min, max, step, value, words, onInput, className = "" }) {
  const id = newId();
  const input = element("input", { type: "range", id, min, max, step });
  const output = element("output", { htmlFor: id });
  const node = element("div", { className: `lv-slider ${className}` }, element("label", { htmlFor: id, textContent: name }), input, output);
  /** @param {number | string} next */
  function set(next) {
    input.value = String(next);
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

/** One of the things to choose from; `title` says more about it where there is room.
 * @template {string} [Value=string]
 * @typedef {{value: Value, label: string, title?: string, disabled?: boolean}} Option
 */

/** A drop-down with a visible name.
 * @template {string} Value
 * @param {{name: string, options: Option<Value>[], value: Value, onChange: (value: Value) => void, className?: string}} options
 */
function dropdown({ name, options, value, onChange, className = "" }) {
  const id = newId();
  const select = element("select", { id });
  const node = element("div", { className: `lv-dropdown ${className}` }, element("label", { htmlFor: id, textContent: name }), select);
  /** @param {Option<Value>[]} next */
  function fill(next) {
    const chosen = select.value;
    select.replaceChildren(...next.map((option) => element("option", { value: option.value, textContent: option.label, disabled: option.disabled ?? false })));
    if (next.some((option) => option.value === chosen)) select.value = chosen;
  }
  fill(options);
  select.value = value;
  select.addEventListener("change", () => onChange(/** @type {Value} one of the options */ (select.value)));
  /** @param {Value} next */
  const set = (next) => (select.value = next);
  return { node, select, fill, set };
}

/** One choice out of a few, all in view: native radio buttons that look like one bar.
 * @template {string} Value
 * @param {{name: string, options: Option<Value>[], value?: Value, onChange: (value: Value) => void, className?: string}} options
 */
function segments({ name, options, value, onChange, className = "" }) {
  const group = newId();
  const node = element("fieldset", { className: `lv-segments ${className}` }, element("legend", { textContent: name }));
  const bar = element("div", { className: "lv-segments-bar" });
  node.append(bar);
  /** @type {HTMLInputElement[]} */
  let inputs = [];
  /** @param {Option<Value>[]} next */
  function fill(next) {
    const chosen = inputs.find((input) => input.checked)?.value ?? value;
    inputs = next.map((option) => element("input", { type: "radio", name: group, value: option.value, disabled: Boolean(option.disabled) }));
    bar.replaceChildren(
      ...next.map((option, index) => element("label", { title: option.title ?? "" }, inputs[index], element("span", { textContent: option.label }))),
    );
    set(chosen);
  }
  /** @param {string | undefined} next */
  function set(next) {
    for (const input of inputs) input.checked = input.value === next;
  }
  bar.addEventListener("change", () => {
    const chosen = inputs.find((input) => input.checked);
    if (chosen) onChange(/** @type {Value} one of the options */ (chosen.value));
  });
  fill(options);
  return { node, fill, set };
}

/** A button that does something.
 * @param {string} text
 * @param {() => void} onClick
 * @param {Properties<"button">} properties
 */
function button(text, onClick, properties = {}) {
  const node = element("button", { type: "button", textContent: text, ...properties });
  node.addEventListener("click", onClick);
  return node;
}

/** Hand a file to the person; a copy of the bytes, so that the widget's own stay as they are.
 * @param {string} name
 * @param {BlobPart} content
 * @param {string} type
 */
function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** What draws on a canvas.
 * @param {HTMLCanvasElement} canvas
 */
function penOf(canvas) {
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("The browser gives no canvas to draw on. Close other tabs and reload the page.");
  return pen;
}

/** Object URLs of pictures, released when replaced. @typedef {ReturnType<typeof pictures>} Pictures */
function pictures() {
  /** @type {Map<HTMLImageElement, string>} */
  const urls = new Map();
  /** @param {HTMLImageElement} image */
  function drop(image) {
    const url = urls.get(image);
    if (url) URL.revokeObjectURL(url);
    urls.delete(image);
  }
  return {
    /** @param {HTMLImageElement} image @param {Bytes | null | undefined} bytes @param {string} type */
    put(image, bytes, type) {
      drop(image);
      if (bytes?.byteLength) {
        const url = URL.createObjectURL(new Blob([bytes], { type }));
        urls.set(image, url);
        image.src = url;
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

/** @param {number} share */
const percent = (share) => `${Math.round(share * 100)}%`;
/** @param {string} text */
const fileName = (text) => text.replace(/\.[^.]*$/, "").replaceAll(/[^\p{L}\p{N}]+/gu, "-").replaceAll(/^-+|-+$/g, "") || "case";

/** The Explorer that a node is part of, or the node itself where it stands alone.
 * @param {HTMLElement} node
 * @returns {HTMLElement}
 */
const homeOf = (node) => node.closest(".lv-explorer") ?? node;

/** The parts of the page inside a node that a selector names.
 * @param {ParentNode} node
 * @param {string} selector
 * @returns {NodeListOf<HTMLElement>}
 */
const partsOf = (node, selector) => node.querySelectorAll(selector);

/** What has the focus inside a node, if anything has.
 * @param {HTMLElement} node
 */
function focusIn(node) {
  const root = node.getRootNode();
  const focused = root instanceof Document || root instanceof ShadowRoot ? root.activeElement : null;
  return focused && node.contains(focused) ? focused : null;
}

/** Keep keys that are pressed here from being JupyterLab's: "d d" would delete the cell, and arrows would leave a slider.
 *  Its shortcuts match the focused element itself, so each one is marked when it gets the focus.
 * @param {HTMLElement} node
 */
function keepKeys(node) {
  node.addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLElement) target.dataset.lmSuppressShortcuts = "true";
  });
}

/** Call `work` once at the next frame, however often it is asked for.
 * @param {() => void} work
 */
function oncePerFrame(work) {
  let asked = 0;
  return () => {
    if (asked) return;
    asked = requestAnimationFrame(() => {
      asked = 0;
      work();
    });
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
