// Is Python still there? One watch for each kernel, however many widgets ask. It looks at the connection, which a cut cable does not
// close; at what is heard over it, and from the server, who is asked while the page is in view; at whether what widgets sent was
// taken up; and at whether it is still the same Python. The answer is {kind, why}: "there"; "slow", where the connection stands and
// nothing is heard: the server is busy or a cable is cut, nobody can tell which, so it is said and nothing is done, since a
// connection that was not closed has lost nothing; "busy", where the server answers and what was sent is not taken up; "away",
// without a connection, or with one that was silent for too long; "gone", for good.
// @ts-check

const LOOK = 250; // milliseconds between two looks
const ASK = 2000; // between two questions to the server, whether or not the first was answered
const LATE = 1000; // that an answer may take before the kernel is asked for its name: its answer is a sign of life as well
const ANSWER = 2200; // of silence; with the above below the 5 s after which a person must know, as are two questions without a way
const APART = 2000; // that a connection may take to stand again before it is spoken of
const TAKEN = 4000; // that Python may take to take up what was sent
const GIVEN_UP = 8000; // after which a question is; its connection is closed with it, so that no dead one is used again
const CUT = 20_000; // of silence, after which nothing is waited for that was under way
const KNOCK = 20_000; // of silence, after which a kernel that other pages may start afresh is asked for its name
const AGAIN = 20_000; // between two attempts to connect: a server with a whole class before it takes its time

/** The watch on a widget's kernel; null where there is none.
 * @param {{widget_manager?: WidgetManager}} model
 * @returns {Lifeline | null}
 */
function lifeline(model) {
  const manager = model.widget_manager;
  const kernel = manager?.kernel;
  if (!manager || !kernel?.anyMessage) return null;
  const lines = (globalThis.lesionvizLifelines ??= new WeakMap()); // each widget runs its own copy of this file
  // A kernel that was restarted is another Python: what is made from now on belongs to that.
  const known = lines.get(kernel);
  if (known && (known.state().kind !== "gone" || kernel.isDisposed)) return known;
  const line = watchKernel(kernel, manager);
  lines.set(kernel, line);
  return line;
}

/** @param {Kernel} kernel @param {WidgetManager} manager @returns {Lifeline} */
function watchKernel(kernel, manager) {
  /** @type {Set<Parameters<Lifeline["listen"]>[0]>} */
  const listeners = new Set();
  /** @type {LineState} */
  let state = { kind: "there", why: "" };
  let timer = 0; // of the looks
  let looked = 0; // by the page's own clock
  let clock = 0; // stands still while this page sleeps, is hidden or is busy itself, so that nobody else is blamed for it
  let alive = 0; // when anything was last heard, by whatever way
  let heard = 0; // when anything was last heard over the connection
  let stood = 0; // when the connection was last seen to stand
  let joined = 0; // when it was last made, or asked to be
  let anew = false; // it was made anew, and nobody was told yet
  let lost = 0; // since when it is away
  /** @type {Map<AbortController, number>} */
  const questions = new Map(); // to the server, without an answer: when each was put, by what takes it back
  let asked = -Infinity; // when the last was
  let known = false; // whether it ever answered; where it never did, as in a notebook outside the browser, its silence says nothing
  /** @type {number | null} */
  let owed = null; // since when the server owes a sign of life
  let working = false; // whether the server last said that the kernel is; what the connection said last may be out of date
  /** @type {Promise<unknown> | null} */
  let called = null; // the kernel was, and has not answered yet
  let failures = 0; // questions in a row that found no way to it; one alone means little: networks change
  /** @type {Map<string, number>} */
  const sent = new Map(); // by message: when, for what was not taken up yet
  let moved = 0; // when anything last was, or could not be for want of a server
  let leaving = 0; // bytes on their way out
  let process = ""; // the name that a kernel's process gives itself
  let knocked = 0; // when it was last asked for it
  let over = false; // that process has said its last word: the server ends it, or starts another in its place

  /** @param {Trouble} kind @param {Why} why */
  function tell(kind, why = "") {
    if (state.kind === "gone" || (state.kind === kind && state.why === why && !anew)) return;
    const again = anew && kind === "there";
    state = { kind, why };
    if (kind === "away") lost = clock;
    anew &&= !again;
    for (const listener of Array.from(listeners)) listener(state, again);
  }

  // --- signs of life -----------------------------------------------------------------------------------------------
  function live() {
    alive = clock;
    failures = 0;
    owed = questions.size ? clock : null;
  }
  function takeBack(before = Infinity) {
    for (const [given, at] of questions) if (at < before && questions.delete(given)) given.abort();
  }
  /** @param {Kernel} _kernel @param {string} status */
  const onStatus = (_kernel, status) => {
    if (["dead", "restarting", "autorestarting", "terminating"].includes(status)) tell("gone", "stopped");
  };
  /** @param {Kernel} _kernel @param {string} status */
  const onConnection = (_kernel, status) => {
    if (status !== "connected") return;
    // What was on its way over the old connection may be lost, so it is not waited for: ipywidgets would send no change again.
    sent.clear();
    for (const model of manager._modelsSync?.values() ?? []) model._pending_msgs = 0;
    stood = joined = heard = clock;
    [anew, called] = [true, null];
    takeBack();
    live();
  };
  /** @param {Kernel} _kernel @param {{msg: KernelMessage, direction: "send" | "recv"}} message */
  const onMessage = (_kernel, { msg, direction }) => {
    if (direction === "send") {
      if (msg.header.msg_type === "comm_msg") sent.set(msg.header.msg_id, clock);
      return;
    }
    heard = clock;
    live();
    if (anew && document.hidden) tell("there"); // what is under way goes on without anybody who looks
    const { msg_type: type } = msg.header;
    over ||= type === "shutdown_reply";
    if (type === "kernel_info_reply" || (type === "status" && ["busy", "idle"].includes(msg.content.execution_state ?? ""))) {
      // Said by the process itself; other states are of the server's making.
      if (process && msg.header.session !== process) tell("gone", "stopped");
      process = msg.header.session;
    }
    const about = msg.parent_header?.msg_id;
    if (!about || !sent.has(about)) return;
    for (const id of sent.keys()) if (sent.delete(id) && id === about) break; // they are taken up in order
    moved = clock;
  };
  async function ask() {
    const given = new AbortController();
    questions.set(given, (asked = clock));
    owed ??= clock;
    let fine = false;
    try {
      const { baseUrl, token } = kernel.serverSettings;
      // Watching is no use of the server: what ends idle ones must not be kept from it.
      const address = new URL(`api/kernels/${encodeURIComponent(kernel.id)}?no_track_activity=1`, baseUrl);
      /** @type {Record<string, string>} */
      const headers = token ? { Authorization: `token ${token}` } : {};
      const reply = await fetch(address, { headers, cache: "no-store", signal: given.signal });
      const jupyter = reply.headers.get("content-type")?.includes("json"); // and not a proxy's page, or a hotel's
      if (known && reply.status === 404 && jupyter) tell("gone", "forgotten");
      if (known && (reply.redirected || [401, 403].includes(reply.status))) tell("gone", "locked");
      const said = reply.ok && jupyter ? await reply.json() : {};
      fine = said.id === kernel.id;
      working = said.execution_state === "busy";
    } catch {
      fine = false; // no network, no server, or taken back
    }
    known ||= fine;
    if (questions.delete(given) && !fine) failures += 1;
    if (!fine) return;
    takeBack(); // all others: they may be on connections that are dead
    live();
  }

  // --- what they mean ----------------------------------------------------------------------------------------------
  function look() {
    const now = performance.now();
    if (!document.hidden) clock += Math.min(now - looked, 2 * LOOK);
    looked = now;
    if (kernel.isDisposed) tell("gone", "stopped");
    if (state.kind === "gone") return watch(false);
    if (document.hidden) return;
    if (kernel.connectionStatus === "connected") stood = clock;
    const left = kernel._ws?.bufferedAmount ?? 0;
    const leaves = left < leaving; // a large file on a slow line
    if (leaves) live();
    leaving = left;
    takeBack(clock - GIVEN_UP);
    if (clock - asked > ASK) ask();
    if (state.kind === "away") return comeBack();
    const silence = known ? clock - (owed ?? clock) : 0;
    if ((known && failures > 1) || clock - stood > APART || silence > CUT) return tell("away");
    if (silence > LATE && stood === clock) called ??= kernel.requestKernelInfo().catch(() => null).then(() => (called = null));
    // In JupyterLab another page may start the kernel afresh, and what the new one says at first may come too early to be heard.
    const patience = over ? ASK : manager.context?.path === undefined ? Infinity : KNOCK;
    if (stood === clock && clock - Math.max(heard, knocked) > patience) {
      knocked = clock;
      kernel.requestKernelInfo().catch(() => null); // one that is ending may leave it without an answer
    }
    const slow = silence > ANSWER;
    if (slow || leaves) moved = clock; // what was sent is not Python's to take up yet
    const oldest = Math.max(moved, sent.values().next().value ?? clock);
    const busy = clock - oldest > TAKEN && (working ? "working" : "silent");
    if (busy === "silent" && heard > joined && clock - Math.max(heard, oldest) > CUT) connect(); // it may be closed at the other end
    tell(slow ? "slow" : busy ? "busy" : "there", busy || "");
  }
  /** Over the connection that stands, if anything comes over it: it may be closed at the other end alone. */
  function comeBack() {
    moved = clock;
    if (heard >= lost && stood === clock) tell("there");
    else if ((alive >= lost && joined < lost) || clock - Math.max(joined, lost) > AGAIN) connect();
  }
  function connect() {
    joined = clock;
    kernel.reconnect().catch(() => null); // how it went is seen in `connectionStatus`
  }

  // --- while somebody listens ----------------------------------------------------------------------------------------
  const onChange = () => {
    if (!document.hidden) ask(); // networks change, and so does what is in view
  };
  /** @param {boolean} yes */
  function watch(yes) {
    clearInterval(timer);
    looked = performance.now();
    if (yes) timer = setInterval(look, LOOK);
    const turn = yes ? "connect" : "disconnect";
    kernel.statusChanged[turn](onStatus);
    kernel.connectionStatusChanged[turn](onConnection);
    kernel.anyMessage?.[turn](onMessage);
    const hear = yes ? "addEventListener" : "removeEventListener";
    for (const type of ["online", "offline"]) globalThis[hear](type, onChange);
    document[hear]("visibilitychange", onChange);
  }
  return {
    state: () => state,
    /** Call `listener(state, again)` now where anything is wrong, and at each change; `again`: over a new connection, so that what
     *  was sent before may be lost. Returns what ends it. */
    listen(listener) {
      if (!listeners.size) watch(true);
      listeners.add(listener);
      if (state.kind !== "there") listener(state, false);
      return () => {
        if (listeners.delete(listener) && !listeners.size) watch(false);
      };
    },
  };
}
