// A batch as its table takes it: what `for_browser` of rows.py returns, and the traits and messages of batch.py.

/** What became of a file; `id` is this page's number for it or 0, `local`: the kernel can read it again. */
interface SentRow {
  name: string;
  outcome: "answered" | "refused" | "failed";
  why: string;
  diagnosis: string | null;
  probabilities: number[] | null;
  id: number;
  local: boolean;
  second: string;
  agree: boolean | null;
}
/** One line of the table: its place among all, from 1, and a picture, which travels beside it. */
interface Row extends SentRow {
  number: number;
  thumbnail: Bytes;
}

interface BatchTraits {
  done: number;
  total: number;
  running: boolean;
  note: string;
  removed: number;
  shown: ShownRun;
  second: string;
  facts: BatchFacts;
}
/** Limits: bytes of a file, files of a batch, letters of a name. */
interface BatchFacts {
  classes: LesionClass[];
  max_bytes: number;
  max_files: number;
  max_name: number;
  can_open: boolean;
  notice: string;
  archive_off: string;
}

interface SentRows {
  kind: "rows";
  run: number;
  from: number;
  count: number;
  rows: SentRow[];
}
/** What Python has of the sender's files, and which file it opened last. */
interface BatchSaid {
  kind: "said";
  sender: number;
  answered: number;
  opened: number;
}
type BatchTold =
  | SentRows
  | BatchSaid
  | { kind: "next"; id: number }
  | { kind: "stopped"; sender: number }
  | { kind: "csv" | "parquet"; name: string }
  | ArchiveTold
  | { kind: "opened"; problem: string };
