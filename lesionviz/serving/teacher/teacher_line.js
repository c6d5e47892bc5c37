// The teacher's page and its server: what has changed is waited for, and what the teacher does is sent with the page's token.
// @ts-check

const REST = 2000; // milliseconds before a server that could not be reached is asked again
const LONGEST = 60_000; // that an answer may take; the server waits 25 s for something to tell

/** How the line stands: "there", "away" (it is tried again), or "locked" (the server wants the teacher to sign in again).
 * @typedef {"there" | "away" | "locked"} Standing
 */

/** @param {{token: string, onState: (state: TeacherState) => void, onStanding: (standing: Standing) => void, onRefused: (words: string) => void}} heard */
function teacherLine({ token, onState, onStanding, onRefused }) {
  /** What a server says: a state, a sentence, or a page to sign in, which is no answer at all.
   * @param {string} address @param {RequestInit} [options]
   * @returns {Promise<TeacherState | {error: string} | null>}
   */
  async function ask(address, options = {}) {
    const reply = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(LONGEST), ...options });
    const json = reply.headers.get("content-type")?.includes("json");
    if (reply.status >= 502) throw new Error("a proxy's page");
    return json && !reply.redirected && reply.status !== 401 ? reply.json() : null;
  }
  async function watch(seen = 0) {
    let next = seen;
    try {
      const said = await ask(`teacher/state?seen=${seen}`);
      if (!said) return onStanding("locked");
      if ("error" in said) throw new Error(said.error);
      next = said.version;
      onStanding("there");
      onState(said);
    } catch {
      onStanding("away");
      next = 0; // where the server is back, it says so at once
      await new Promise((done) => setTimeout(done, REST));
    }
    watch(next);
  }
  /** Do something; answers whether it could be done.
   * @type {DoMove}
   */
  async function act(move, about = {}, refused = onRefused) {
    const headers = { "Content-Type": "application/json", "X-XSRFToken": token };
    try {
      const said = await ask(`teacher/do/${move}`, { method: "POST", headers, body: JSON.stringify(about) });
      if (!said) onStanding("locked");
      else if ("error" in said) refused(said.error);
      else onState(said);
      return said !== null && !("error" in said);
    } catch {
      onStanding("away");
      return false;
    }
  }
  return { watch, act };
}
