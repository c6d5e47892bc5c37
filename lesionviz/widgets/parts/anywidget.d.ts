// What anywidget hands to a widget's script, as far as these scripts use it: https://anywidget.dev/en/afm.

/** What Python sends besides traits; `kind` tells a widget's messages apart. */
interface Message {
  kind: string;
}

/** What can send to Python. */
interface Sender {
  send(content: Message & Record<string, unknown>, callbacks?: undefined, buffers?: ArrayBuffer[]): void;
}

/** A widget's connection to Python, which tells it `Told`. */
interface Wire<Told extends Message = never> extends Sender {
  widget_manager?: WidgetManager;
  on(event: "msg:custom", listener: (content: Told, buffers: Bytes[]) => void): void;
  off(event: "msg:custom", listener: (content: Told, buffers: Bytes[]) => void): void;
}

/** A widget's model: its synced traits by their Python names, over the wire. */
interface Model<Traits, Told extends Message = never> extends Wire<Told> {
  get<Name extends keyof Traits>(name: Name): Traits[Name];
  set<Name extends keyof Traits>(name: Name, value: Traits[Name]): void;
  save_changes(): void;
  on(event: Change<Traits>, listener: () => void): void;
  on(event: "msg:custom", listener: (content: Told, buffers: Bytes[]) => void): void;
  off(event: Change<Traits>, listener: () => void): void;
  off(event: "msg:custom", listener: (content: Told, buffers: Bytes[]) => void): void;
}
type Change<Traits> = `change:${keyof Traits & string}`;

/** What `render` gets. */
interface View<Traits, Told extends Message = never> {
  model: Model<Traits, Told>;
  el: HTMLElement;
}

/** Bytes among traits and messages: a part of a buffer that may hold more. */
type Bytes = DataView<ArrayBuffer>;
