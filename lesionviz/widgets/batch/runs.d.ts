// Runs over whole folders as their part of the page takes them: what `Standing` of standing.py holds, and what archive.py says.

interface ArchiveRun {
  key: string;
  folder: string;
  state: "starting" | "listing" | "running" | "interrupted" | "finished" | "failed" | "gone";
  why: string;
  done: number;
  images: number;
  failed: number;
  rate: number;
  part: number;
  stopping: boolean;
}

/** The run whose rows the table has; nothing where they are of files. */
interface ShownRun {
  folder?: string;
  images?: number;
  behind?: number;
}

type ArchiveTold =
  | { kind: "runs"; runs: ArchiveRun[] }
  | { kind: "begun"; words: string }
  | { kind: "trouble" | "unsaved"; words: string };
