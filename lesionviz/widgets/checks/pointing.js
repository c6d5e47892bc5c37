// What the class loses without the marked place, beside what it loses without each of the random places: a strip for each filling.
// @ts-check

/** @param {View<CheckTraits<PointingFound>>} view */
function render({ model, el }) {
  const images = pictures();
  const about = element("p", { className: "lv-check-about" });
  const turned = element("p", { className: "lv-check-turned", textContent: "The map on view is another one by now: take it away again to check that one." });
  const strips = element("div", { className: "lv-drops" });
  strips.setAttribute("aria-hidden", "true"); // the words say it
  const image = element("img", { alt: "What the network saw, with what the map marks painted out" });
  const figure = element("figure", { className: "lv-check-figure" }, image, element("figcaption", { textContent: "What the map marks, painted out" }));
  const generally = element("p", { className: "lv-check-soft" });
  const body = element("div", { className: "lv-check-body" }, about, turned, element("div", { className: "lv-check-beside" }, strips, figure), generally);

  /** @param {PointingFound} state */
  function found(state) {
    section.say(state.badge ?? "", state.verdict);
    about.textContent = `Checked: ${state.about}.`;
    turned.hidden = !state.turned;
    generally.textContent = state.generally;
    figure.hidden = !state.without?.byteLength;
    images.put(image, state.without, "image/png");
    drawStrips(state);
  }
  /** @param {PointingFound} state */
  function drawStrips({ drops, random_drops: others, fillings }) {
    const all = [0, ...drops, ...others.flat()];
    const [least, most] = [Math.min(...all), Math.max(...all, 0.05)];
    /** @param {number} drop */
    const place = (drop) => `${(100 * (drop - least)) / (most - least)}%`;
    /** @param {number} drop @param {string} className */
    const dot = (drop, className) => {
      const node = element("i", { className });
      node.style.left = place(drop);
      return node;
    };
    /** @param {string} className @param {string} words */
    const named = (className, words) => element("span", { className: "lv-strip-key" }, element("i", { className }), words);
    strips.replaceChildren(
      ...drops.map((drop, index) =>
        element(
          "div",
          { className: "lv-drop-row" },
          element("span", { textContent: fillings[index] }),
          element("div", { className: "lv-drop-track" }, dot(0, "lv-drop-none"), ...others[index].map((one) => dot(one, "lv-drop-other")), dot(drop, "lv-drop-own")),
        ),
      ),
      element("p", { className: "lv-check-soft lv-drop-key" }, named("lv-drop-own", "what the map marks"), named("lv-drop-other", "random places")),
      element("p", { className: "lv-check-soft", textContent: `Right of the line the class loses, up to ${Math.round(100 * most)} points; left of it, it gains.` }),
    );
    strips.hidden = !drops.length;
  }
  const section = checkSection(model, el, { body, found });
  return followState(model, section, images);
}

export default { render };
