// The photographed samples, as photographs.py tells them to the picker: Photographs.view there.

interface Photograph {
  name: string;
  thumbnail: Bytes;
  owner: string;
  truth: string;
}

/** Where they are not offered, the state is all there is. */
interface PhotographsView {
  state: "off" | "reading" | "offer" | "fetching" | "there";
  words: string;
  done: number;
  all: number;
  folder: string;
  samples: Photograph[];
}
