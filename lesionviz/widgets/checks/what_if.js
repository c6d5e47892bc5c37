// What if? The picture before and the changed one side by side, a brush on the changed one, and both answers. What a person does goes
// to Python under a name of its own ({kind: "change" | "undo" | "redo" | "start over", case, name}), once more where the line was lost.
// @ts-check

const LONG = 400; // milliseconds without an answer, after which it is said that one is awaited

/** @param {View<WhatIfTraits, Said>} view */
function render({ model, el }) {
  const classes = model.get("classes");
  const tools = model.get("tools");
  const images = pictures();
  const own = `${newId()}-${Math.random().toString(36).slice(2, 12)}`; // other views of this widget have other names
  const sizes = { brush: 0.12, thing: 0.6 };
  /** @type {Map<string, Message & Record<string, unknown>>} */
  const unheard = new Map(); // by name: what was sent and is not known to have arrived
  let count = 0;
  let tool = tools.kinds[0];
  let timer = 0;

  // --- tools -----------------------------------------------------------------------------------------------------
  const paints = () => tool === tools.kinds[0];
  const range = () => (paints() ? tools.brush : tools.thing);
  const label = (/** @type {string} */ kind) => kind.charAt(0).toUpperCase() + kind.slice(1);
  const choice = segments({
    name: "Brush",
    value: tool,
    className: "lv-brush-tools",
    options: tools.kinds.map((kind, index) => ({ value: kind, label: label(kind), title: index ? `Put in: ${kind}` : "Paint a part of the picture out" })),
    onChange: (kind) => {
      tool = kind;
      resize(sizes[paints() ? "brush" : "thing"]);
    },
  });
  const size = slider({ name: "Size", min: 0, max: 1, step: 0.01, value: 0, words: percent, onInput: (value) => resize(value) });
  const undo = button("Undo", () => send("undo"), { title: "Ctrl+Z" });
  const redo = button("Redo", () => send("redo"), { title: "Ctrl+Shift+Z" });
  const over = button("Start over", () => send("start over"));
  /** @param {number} share */
  function resize(share) {
    const [least, most] = range();
    Object.assign(size.input, { min: least, max: most });
    size.set(Math.min(most, Math.max(least, share)));
    sizes[paints() ? "brush" : "thing"] = Number(size.input.value);
    hint.textContent = paints()
      ? "Drag over what should go: it is filled from around."
      : `Click where the ${tool} should ${tool === "dark corner" ? "be: it goes into the nearest one" : "go"}.`;
    brush.draw();
  }

  // --- pictures --------------------------------------------------------------------------------------------------
  const [first, changed] = [element("img"), element("img", { alt: "", draggable: false })];
  const [firstWords, changedWords] = [element("figcaption"), element("figcaption")];
  const keys = "Arrow keys move the brush, with Shift farther; Space puts it down and lifts it; [ and ] change its size; Ctrl+Z undoes, Ctrl+Shift+Z redoes; Escape lets a stroke go, then leaves.";
  const ground = element("div", { className: "lv-brush-ground", tabIndex: 0 }, changed);
  ground.setAttribute("role", "application");
  const live = element("p", { className: "lv-unseen", role: "status" });
  const hint = element("span", { className: "lv-check-soft" });
  const problem = element("p", { className: "lv-brush-problem", role: "alert", hidden: true });
  const brush = makeBrush({
    ground,
    most: tools.points,
    shape: () => ({ kind: paints() ? "round" : tool === "dark corner" ? "corner" : "frame", size: Number(size.input.value) }),
    onDone: (points) => send("change", { change: { kind: tool, points, size: Number(size.input.value) } }),
    onLeave: () => partsOf(choice.node, "input:checked")[0]?.focus(),
    say: (words) => (live.textContent = words),
    onKey,
  });
  /** @param {KeyboardEvent} event */
  function onKey(event) {
    const by = { "[": -0.02, "]": 0.02 }[event.key];
    const controlled = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (by && !controlled) {
      resize(Number(size.input.value) + by);
      live.textContent = `Size ${percent(Number(size.input.value))}`;
    } else if (controlled && (key === "y" || (key === "z" && event.shiftKey))) redo.click();
    else if (controlled && key === "z") undo.click();
    else return false;
    return true;
  }

  // --- answers ---------------------------------------------------------------------------------------------------
  const words = element("p", { className: "lv-check-words lv-brush-words", role: "status" });
  const rows = classes.map(({ code, name, colour }) => {
    const [was, now] = [element("i"), element("i")];
    was.style.background = now.style.background = colour;
    const cells = [element("td"), element("td"), element("td")];
    const bars = element("td", { className: "lv-brush-bars" }, element("span", { className: "lv-brush-was" }, was), element("span", {}, now));
    const head = element("th", { scope: "row" }, code, element("span", { textContent: ` ${name}` }));
    return { code, was, now, cells, node: element("tr", {}, head, bars, ...cells) };
  });
  const column = (/** @type {string} */ text) => element("th", { scope: "col", textContent: text });
  const table = element("table", { className: "lv-brush-table" },
    element("caption", { textContent: "Probability: upper bar as it is, lower bar changed" }),
    element("thead", {}, element("tr", {}, element("td"), element("td"), column("as it is"), column("changed"), column("points"))),
    element("tbody", {}, ...rows.map(({ node }) => node)));

  const body = element("div", { className: "lv-check-body lv-brush" },
    element("div", { className: "lv-row lv-needs-kernel" }, choice.node, size.node),
    element("div", { className: "lv-brush-pictures" },
      element("figure", { className: "lv-brush-first" }, first, firstWords),
      element("figure", { className: "lv-brush-changed lv-needs-kernel" }, ground, changedWords),
      element("div", { className: "lv-brush-answers" },
        element("div", { className: "lv-row lv-brush-steps lv-needs-kernel" }, undo, redo, over),
        hint, problem, words, table,
        // Always there: what came and went with the focus would move a button away from under a press.
        element("details", {}, element("summary", { textContent: "With the keyboard" }), element("p", { textContent: keys })))),
    live);
  const section = checkSection(model, el, { body, found: show });
  el.classList.add("lv-check-wide");

  // --- to Python and back ----------------------------------------------------------------------------------------
  /** @param {string} kind @param {Record<string, unknown>} [more] */
  function send(kind, more = {}) {
    count += 1;
    const message = { kind, case: model.get("state").case, name: `${own}-${count}`, ...more };
    unheard.set(message.name, message);
    model.send(message);
    wait();
  }
  /** Say after a while that an answer is awaited; at once it would only flicker. In a class, say how many are before it. */
  function wait() {
    clearTimeout(timer);
    const { waits } = model.get("answer");
    const say = () => {
      if (unheard.size || awaited()) words.textContent = waits || "Asking about the changed picture …";
    };
    timer = setTimeout(say, waits ? 0 : LONG);
  }
  const awaited = () => Boolean(model.get("now").back) && model.get("answer").version !== model.get("now").version;

  /** Ask for the picture once it is in view: not before anything else that the page shows of it. */
  function begin() {
    const { kind, case: id } = model.get("state");
    if (kind === "found" && el.offsetParent && model.get("before").case !== id) model.send({ kind: "begin", case: id });
  }
  const watch = new ResizeObserver(begin);
  watch.observe(el);
  let shown = "";

  /** @param {WhatIfFound} state */
  function show(state) {
    if (shown !== state.case) {
      brush.drop();
      brush.seen();
      unheard.clear();
    }
    [shown, el.dataset.case] = [state.case, state.case];
    firstWords.textContent = `As it is: what the network saw of ${state.name}, ${state.side} × ${state.side} pixels`;
    first.alt = `What the network saw of ${state.name}`;
    takeChanged();
    begin();
  }
  function takeBefore() {
    images.put(first, model.get("before").picture, "image/png");
    paint();
  }
  function paint() {
    const now = model.get("now");
    images.put(changed, now.picture?.byteLength ? now.picture : model.get("before").picture, "image/png");
  }
  function takeChanged() {
    const now = model.get("now");
    const { back = 0, forth = 0 } = now;
    if (now.heard) for (const name of unheard.keys()) if (unheard.delete(name) && name === now.heard) break; // they are heard in order
    undo.disabled = !back;
    over.disabled = !back;
    redo.disabled = !forth;
    problem.textContent = now.problem ?? "";
    problem.hidden = !now.problem;
    changedWords.replaceChildren(element("b", { textContent: "Changed picture" }), back ? `: ${back} change${back > 1 ? "s" : ""}, never photographed` : ": nothing is changed yet");
    ground.setAttribute("aria-label", `Changed picture, ${back} change${back === 1 ? "" : "s"}. ${keys}`);
    paint();
    if (!unheard.size) brush.seen();
    answered();
  }
  function answered() {
    const state = model.get("state");
    if (state.kind !== "found") return;
    const [answer, now] = [model.get("answer"), model.get("now")];
    const waits = awaited();
    table.classList.toggle("lv-brush-waits", waits);
    table.setAttribute("aria-busy", String(waits));
    if (waits) return wait();
    const shares = (now.back && answer.shares) || {};
    words.textContent = (now.back && answer.words) || `The answer is ${classes.find(({ code }) => code === state.diagnosis)?.name}.`;
    section.say((now.back && answer.badge) || "");
    const best = Math.max(...Object.values(shares));
    for (const { code, was, now: bar, cells, node } of rows) {
      const before = state.shares[code];
      const after = code in shares ? shares[code] : undefined;
      const points = after === undefined ? 0 : Math.round(100 * after) - Math.round(100 * before);
      was.style.width = `${100 * before}%`;
      bar.style.width = `${100 * (after ?? 0)}%`;
      cells[0].textContent = percent(before);
      cells[1].textContent = after === undefined ? "–" : percent(after);
      cells[2].textContent = after === undefined ? "–" : points > 0 ? `+${points}` : points < 0 ? `−${-points}` : "0";
      node.classList.toggle("lv-brush-best", after === undefined ? code === state.diagnosis : after === best);
    }
  }
  const line = recovery(model, {
    onSaid: ({ heard }) => {
      for (const [name, message] of unheard) {
        if (heard.includes(name)) unheard.delete(name);
        else model.send(message);
      }
      takeChanged();
    },
  });
  const listeners = /** @type {const} */ ([
    ["change:state", section.show],
    ["change:before", takeBefore],
    ["change:now", takeChanged],
    ["change:answer", answered],
  ]);
  for (const [event, listener] of listeners) model.on(event, listener);
  resize(sizes.brush);
  takeBefore();
  section.show();
  return () => {
    for (const [event, listener] of listeners) model.off(event, listener);
    clearTimeout(timer);
    watch.disconnect();
    brush.release();
    line.release();
    images.release();
  };
}

export default { render };
