// Is Python still there? One watch for each kernel, however many widgets ask. Four things are looked at: whether the connection
// stands; what the server says of this kernel, asked while the page is in view, since a cut cable closes no connection; whether
// what widgets sent was taken up; and whether it is still the same Python. Nothing is sent to the kernel for it.
// The answer is {kind, why}: "there"; "away", no connection, which may come back; "busy", connected, and what was sent is not
// taken up; "gone", for good.

const LOOK = 250; // milliseconds between two looks
const ASK = 2000; // between two questions to the server
const ANSWER = 2500; // that it may take to answer; with the above below the 5 s after which a person must know
const RETRY = 500; // after one that failed, which alone means little: networks change
const APART = 2000; // that a connection may take to stand again before it is spoken of
const TAKEN = 4000; // that Python may take to take up what was sent
const AGAIN = 6000; // after which a question or an attempt to connect is given up for a new one

/** The watch on a widget's kernel; null where there is none. */
function lifeline(model) {
  const kernel = model.widget_manager?.kernel;
  if (!kernel?.anyMessage) return null;
  globalThis.lesionvizLifelines ??= new WeakMap(); // each widget runs its own copy of this file
  const lines = globalThis.lesionvizLifelines;
  // A kernel that was restarted is another Python: what is made from now on belongs to that.
  if (!lines.has(kernel) || (lines.get(kernel).state.kind === "gone" && !kernel.isDisposed)) lines.set(kernel, watchKernel(kernel, model.widget_manager));
  return lines.get(kernel);
}

function watchKernel(kernel, manager) {
  const listeners = new Set();
  const sent = new Map(); // by message: when, for what was not taken up yet
  let state = { kind: "there", why: "" };
  let process = ""; // the name that a kernel's process gives itself
  let timer = 0;
  let clock = 0; // stands still while this page sleeps or is busy itself, so that nobody else is blamed for it
  let looked = 0;
  let question = null; // the one that the server has not answered yet
  let answered = 0; // when the last one came to an end
  let failures = 0; // in a row
  let stood = 0; // when the connection was last seen to stand
  let joined = 0; // when it was last made
  let anew = false; // it was made again, and nobody was told yet
  let lost = 0; // when it was last given up
  let tried = -Infinity; // when another one was last asked for
  let moved = 0; // when something was last seen to leave this browser, or to be taken up
  let leaving = 0; // bytes on their way out

  function tell(kind, why = "") {
    if (state.kind === "gone" || (state.kind === kind && state.why === why && !anew)) return;
    const again = anew && kind === "there";
    state = { kind, why };
    anew &&= !again;
    for (const listener of [...listeners]) listener(state, again);
  }

  // --- what is seen ----------------------------------------------------------------------------------------------
  const onStatus = (_kernel, status) => {
    if (["dead", "restarting", "autorestarting", "terminating"].includes(status)) tell("gone", "stopped");
  };
  const onConnection = (_kernel, status) => {
    if (status !== "connected") return;
    // What was on its way over the old connection may be lost, so it is not waited for: ipywidgets would send no change again.
    sent.clear();
    for (const model of manager._modelsSync?.values() ?? []) model._pending_msgs = 0;
    joined = stood = clock;
    anew = true;
  };
  const onMessage = (_kernel, { msg, direction }) => {
    if (direction === "send") {
      if (msg.header.msg_type === "comm_msg") sent.set(msg.header.msg_id, clock);
      return;
    }
    if (msg.header.msg_type === "status" && ["busy", "idle"].includes(msg.content.execution_state)) {
      // Said by the process itself; other states are of the server's making.
      if (process && msg.header.session !== process) tell("gone", "stopped");
      process = msg.header.session;
    }
    const about = msg.parent_header?.msg_id;
    if (!sent.has(about)) return;
    for (const id of sent.keys()) {
      sent.delete(id); // they are taken up in order
      if (id === about) break;
    }
    moved = clock;
  };

  async function ask() {
    const mine = { since: clock, given: new AbortController() };
    question = mine;
    let fine = false;
    try {
      const { baseUrl, token } = kernel.serverSettings;
      // Watching is no use of the server: what ends idle ones must not be kept from it.
      const address = new URL(`api/kernels/${encodeURIComponent(kernel.id)}?no_track_activity=1`, baseUrl);
      const headers = token ? { Authorization: `token ${token}` } : {};
      const reply = await fetch(address, { headers, cache: "no-store", signal: mine.given.signal });
      if (reply.status === 404) tell("gone", "forgotten");
      else if (reply.redirected || [401, 403].includes(reply.status)) tell("gone", "locked");
      else fine = reply.ok && (await reply.json()).id === kernel.id; // and not a hotel's page of welcome
    } catch {
      fine = false; // no network, no server, or given up below
    }
    question = null;
    answered = clock;
    failures = fine ? 0 : failures + 1;
  }

  function look() {
    const now = performance.now();
    clock += Math.min(now - looked, 2 * LOOK);
    looked = now;
    if (kernel.isDisposed) tell("gone", "stopped");
    if (state.kind === "gone") return stop();
    if (kernel.connectionStatus === "connected") stood = clock;
    const left = kernel._ws?.bufferedAmount ?? 0;
    if (left < leaving) moved = clock; // a large file on a slow line
    leaving = left;

    if (question && clock - question.since > AGAIN) question.given.abort();
    if (!question && !document.hidden && clock - answered > (failures === 1 ? RETRY : ASK)) ask();
    const silent = Boolean(question) && clock - question.since > ANSWER;
    if (state.kind === "away") return comeBack(silent || failures > 0);
    if (silent || failures > 1 || clock - stood > APART) {
      lost = clock;
      tried = -Infinity;
      return tell("away");
    }
    const oldest = sent.values().next().value;
    const waiting = oldest !== undefined && clock - Math.max(oldest, moved) > TAKEN;
    tell(waiting ? "busy" : "there", !waiting ? "" : kernel.status === "busy" ? "working" : "silent");
  }
  /** Over a new connection alone: of the old one nobody knows what it has lost. */
  function comeBack(trouble) {
    if (trouble || answered <= lost) return;
    if (joined > lost && kernel.connectionStatus === "connected") return tell("there");
    if (clock - tried < AGAIN) return;
    tried = clock;
    kernel.reconnect().catch(() => null); // how it went is seen in `connectionStatus`
  }

  // --- while somebody listens ------------------------------------------------------------------------------------
  const onChange = () => {
    if (!navigator.onLine) failures = Math.max(failures, 1);
    if (!question && !document.hidden) ask();
  };
  function start() {
    looked = performance.now();
    timer = setInterval(look, LOOK);
    kernel.statusChanged.connect(onStatus);
    kernel.connectionStatusChanged.connect(onConnection);
    kernel.anyMessage.connect(onMessage);
    for (const type of ["online", "offline"]) addEventListener(type, onChange);
    document.addEventListener("visibilitychange", onChange);
  }
  function stop() {
    clearInterval(timer);
    kernel.statusChanged.disconnect(onStatus);
    kernel.connectionStatusChanged.disconnect(onConnection);
    kernel.anyMessage.disconnect(onMessage);
    for (const type of ["online", "offline"]) removeEventListener(type, onChange);
    document.removeEventListener("visibilitychange", onChange);
  }
  return {
    get state() {
      return state;
    },
    /** Call `listener(state, again)` now where anything is wrong, and at each change; `again`: over a new connection, so that what
     *  was sent before may be lost. Returns what ends it. */
    listen(listener) {
      if (!listeners.size) start();
      listeners.add(listener);
      if (state.kind !== "there") listener(state, false);
      return () => {
        listeners.delete(listener);
        if (!listeners.size) stop();
      };
    },
  };
}
