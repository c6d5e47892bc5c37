// A case as the browser takes it: what bundle.py makes, and the traits of map_widget.py and case_view.py that carry it.

/** A part of a picture, in its pixels. */
type Box = [left: number, top: number, right: number, bottom: number];

/** What `case_bundle` returns; `photo` is empty where it will follow. */
interface CaseBundle {
  id: string;
  photo: Bytes;
  input: Bytes;
  source: string;
  width: number;
  height: number;
  box: Box;
  size: number;
  predicted: string;
  refused: string;
  drawn: boolean;
  grid: Record<string, number>;
  methods: { key: string; name: string; linear: boolean }[];
}
/** What stands in its place while there is no case. */
type NoCase = { [Name in keyof CaseBundle]?: undefined };

/** What `pack_maps` returns: the maps of one method. */
interface PackedMaps {
  layers: { name: string; cells: number; high: number[]; low: number[]; words: string[] }[];
  values: Bytes;
}

/** One of `classes()`. */
interface LesionClass {
  code: string;
  name: string;
  colour: string;
}

/** What every view of maps is told, and what a person may turn in it. */
interface MapTraits {
  case: CaseBundle | NoCase;
  maps: Record<string, PackedMaps>;
  classes: LesionClass[];
  tables: Record<string, Bytes>;
  target: string;
  against: string;
  layer: string;
  method: string;
  colours: string;
  alpha: number;
  threshold: number;
}
type MapChoices = Pick<MapTraits, "target" | "against" | "layer" | "method" | "colours" | "alpha" | "threshold">;

interface CaseTraits extends MapTraits {
  scale: MapScale;
  blend: "by evidence" | "evenly";
}
type MapScale = "per map" | "shared across classes" | "signed";
