// An exported case as a page of its own: the same view as in Jupyter, on traits that lie in the page.
// @ts-check

function openPage() {
  /** @param {string} text */
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  const [written, el] = [document.getElementById("lv-traits"), document.getElementById("lv-case")];
  if (!written || !el) return; // not a page of export.py
  /** @type {CaseTraits} */
  const traits = JSON.parse(written.textContent, (_key, value) =>
    value !== null && typeof value === "object" && typeof value.base64 === "string" ? bytes(value.base64) : value,
  );
  /** @type {View<CaseTraits, Message>["model"]} */
  const model = {
    get: (name) => traits[name],
    set: (name, value) => void (traits[name] = value),
    save_changes: () => {},
    send: () => {}, // nobody is there to ask
    on: () => {},
    off: () => {},
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const dress = () => (document.documentElement.dataset.jpThemeLight = String(!dark.matches));
  dark.addEventListener("change", dress);
  dress();
  renderCase({ model, el });
}

openPage();
