// Buttons that ask the kernel for a file: {kind: "make", key}; it answers {kind: "file", name, type} with bytes, or
// {kind: "problem", words}.
// @ts-check

/** @typedef {{kind: "file", name: string, type: string} | {kind: "problem", words: string}} Delivered */

/** @param {View<{kinds: Record<string, string>}, Delivered>} view */
function render({ model, el }) {
  const words = element("span", { role: "status" });
  const buttons = Object.entries(model.get("kinds")).map(([key, label]) =>
    button(label, () => {
      words.textContent = "Making the file …";
      model.send({ kind: "make", key });
    }),
  );
  /** @param {Delivered} content @param {Bytes[]} buffers */
  const onMessage = (content, buffers) => {
    if (content?.kind === "file") {
      download(content.name, buffers[0], content.type);
      words.textContent = `${content.name} is saved.`;
    }
    if (content?.kind === "problem") words.textContent = content.words;
  };
  el.classList.add("lv", "lv-downloads", "lv-needs-kernel");
  keepKeys(el);
  el.replaceChildren(element("div", { className: "lv-row" }, element("strong", { textContent: "Keep this case" }), ...buttons, words));
  model.on("msg:custom", onMessage);
  return () => model.off("msg:custom", onMessage);
}

export default { render };
