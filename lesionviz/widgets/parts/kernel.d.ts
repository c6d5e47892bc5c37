// A kernel as Jupyter's page knows it, as far as lifeline.js watches it. What begins with an underscore is Jupyter's own
// business, and may be missing in another version.

interface WidgetManager {
  kernel?: Kernel | null;
  context?: { path?: string }; // with the path of the notebook, in JupyterLab
  _modelsSync?: Map<string, { _pending_msgs: number }>;
}

/** `Kernel.IKernelConnection` of @jupyterlab/services. */
interface Kernel {
  id: string;
  isDisposed: boolean;
  connectionStatus: "connected" | "connecting" | "disconnected";
  serverSettings: { baseUrl: string; token: string };
  statusChanged: Signal<string>;
  connectionStatusChanged: Signal<string>;
  anyMessage?: Signal<{ msg: KernelMessage; direction: "send" | "recv" }>;
  _ws?: WebSocket | null;
  reconnect(): Promise<unknown>;
  requestKernelInfo(): Promise<unknown>;
}
interface Signal<Args> {
  connect(slot: (sender: Kernel, args: Args) => void): unknown;
  disconnect(slot: (sender: Kernel, args: Args) => void): unknown;
}
interface KernelMessage {
  header: { msg_id: string; msg_type: string; session: string };
  parent_header?: { msg_id?: string };
  content: { execution_state?: string };
}

/** What is wrong with the line to Python in one word, and what more is known of it; see lifeline.js. */
interface LineState {
  kind: Trouble;
  why: Why;
}
type Trouble = "there" | "slow" | "busy" | "away" | "gone";
type Why = "" | "working" | "silent" | "stopped" | "forgotten" | "locked";

/** A watch on a kernel. */
interface Lifeline {
  state(): LineState;
  listen(listener: (state: LineState, again: boolean) => void): () => void;
}

/** What the copies of these scripts on a page share: each widget runs its own. */
declare var lesionvizControls: number | undefined;
declare var lesionvizLifelines: WeakMap<Kernel, Lifeline> | undefined;
