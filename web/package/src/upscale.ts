/** A picture of red, green, blue and alpha through a network, tile by tile. What runs a tile is not decided here. */

import { IntaglioError, type Facts } from "./core.js";
import { planTiles, type Tile } from "./tiles.js";

/** Bytes of red, green, blue, alpha for each pixel, row by row: an `ImageData`, or a plain object like it. */
export interface Picture {
  readonly data: Uint8ClampedArray | Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** An enlarged picture. */
export interface Enlarged {
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

export interface Options {
  /** Told the share that is done, from 0 to 1. */
  onProgress?: (share: number) => void;
  /** Ends the work; the promise is then rejected with the signal's reason. */
  signal?: AbortSignal;
  /** Pixels of a tile's side; `facts.tile` if left out. Pictures that fit into one tile come out as if there were none. */
  tile?: number;
  /** Pixels that neighbouring tiles share. */
  overlap?: number;
}

/** What enlarges tiles: `parallel` at a time; `share` is told how much of a tile is done. */
export interface Runner {
  readonly facts: Facts;
  readonly parallel: number;
  bytes(picture: Uint8Array<ArrayBuffer>, height: number, width: number, share: (done: number) => void): Promise<Uint8Array>;
  planes(planes: Float32Array<ArrayBuffer>, height: number, width: number, share: (done: number) => void): Promise<Float32Array>;
}

/** That of `intaglio.runtime.engine`: each kept pixel is 32 pixels from a cut, four windows of SwinIR. */
export const OVERLAP = 64;

/** The picture, enlarged; its alpha too. Throws IntaglioError if the network does not take pictures in colour or gray. */
export async function enlarge(picture: Picture, runner: Runner, options: Options = {}): Promise<Enlarged> {
  const { scale, channelsIn, channelsOut } = runner.facts;
  check(picture, runner.facts);
  const size = options.tile ?? runner.facts.tile;
  const tiles = planTiles(picture.height, picture.width, size, Math.min(options.overlap ?? OVERLAP, size - 1));
  const result = { data: new Uint8ClampedArray(picture.data.length * scale * scale), width: picture.width * scale, height: picture.height * scale };
  const done = new Float64Array(tiles.length);
  const told = (index: number, share: number): void => {
    done[index] = share;
    options.onProgress?.(done.reduce((sum, one) => sum + one, 0) / tiles.length);
  };
  if (channelsIn !== channelsOut) throw new IntaglioError("this network gives pictures of another kind than it takes; choose one for pictures");
  const way = isOpaque(picture) ? opaqueTile : transparentTile;
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < tiles.length) {
      options.signal?.throwIfAborted();
      const index = next++;
      await way(picture, tiles[index]!, runner, result, (share) => told(index, share));
      told(index, 1);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(runner.parallel, tiles.length)) }, work));
  options.signal?.throwIfAborted();
  return result;
}

function check(picture: Picture, facts: Facts): void {
  const { data, width, height } = picture;
  if (!(width > 0 && height > 0) || data.length !== 4 * width * height) {
    throw new IntaglioError(`${data.length} bytes are no picture of ${width} x ${height} pixels; give four bytes a pixel`);
  }
  if (facts.channelsIn !== 1 && facts.channelsIn !== 3) {
    throw new IntaglioError(`this network takes ${facts.channelsIn} channels; choose one for gray or colour pictures`);
  }
}

function isOpaque({ data }: Picture): boolean {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return false;
  return true;
}

type Way = (picture: Picture, tile: Tile, runner: Runner, result: Enlarged, share: (done: number) => void) => Promise<void>;

/** In bytes; a gray network enlarges one channel after another. */
const opaqueTile: Way = async (picture, tile, runner, result, share) => {
  const { scale, channelsIn } = runner.facts;
  const [height, width] = sides(tile);
  for (let first = 0; first < 3; first += channelsIn) {
    const given = new Uint8Array(height * width * channelsIn);
    eachRow(picture, tile, (from, to) => {
      for (let x = 0; x < width; ++x) for (let c = 0; c < channelsIn; ++c) given[(to + x) * channelsIn + c] = picture.data[4 * (from + x) + first + c]!;
    });
    const found = await runner.bytes(given, height, width, (one) => share((first + one * channelsIn) / 3));
    eachKept(tile, scale, result.width, (from, to) => {
      for (let c = 0; c < channelsIn; ++c) result.data[4 * to + first + c] = found[from * channelsIn + c]!;
      result.data[4 * to + 3] = 255;
    });
  }
};

/**
 * Colour is multiplied by alpha before and divided by the enlarged alpha after, so that what is hidden cannot bleed into what is seen; alpha goes
 * through the network too (`intaglio.images.enlarging`).
 */
const transparentTile: Way = async (picture, tile, runner, result, share) => {
  const { scale } = runner.facts;
  const [height, width] = sides(tile);
  const area = height * width;
  const seen = [0, 1, 2].map(() => new Float32Array(area));
  const covering = new Float32Array(area);
  eachRow(picture, tile, (from, to) => {
    for (let x = 0; x < width; ++x) {
      const cover = Math.fround(picture.data[4 * (from + x) + 3]! / 255);
      covering[to + x] = cover;
      seen.forEach((plane, c) => (plane[to + x] = Math.fround(picture.data[4 * (from + x) + c]! / 255) * cover));
    }
  });
  const colour = await throughNetwork(seen, runner, height, width, (one) => share(one / 2));
  const [cover] = await throughNetwork([covering], runner, height, width, (one) => share((1 + one) / 2));
  const outWidth = width * scale;
  eachKept(tile, scale, result.width, (from, to) => {
    const alpha = clamp(cover![from]!, 1);
    result.data[4 * to + 3] = byteOf(alpha);
    const hidden = byteOf(alpha) === 0; // nobody sees these; what an editor may have hidden there stays
    const y = Math.floor(Math.floor(from / outWidth) / scale) + tile.rows.start;
    const x = Math.floor((from % outWidth) / scale) + tile.columns.start;
    for (let c = 0; c < 3; ++c) {
      const value = hidden ? picture.data[4 * (y * picture.width + x) + c]! : byteOf(Math.fround(clamp(colour[c]![from]!, alpha) / alpha));
      result.data[4 * to + c] = value;
    }
  });
};

/** One plane (repeated where the network is for colour, then averaged) or three. */
async function throughNetwork(planes: Float32Array[], runner: Runner, height: number, width: number, share: (done: number) => void): Promise<Float32Array[]> {
  const { scale, channelsIn } = runner.facts;
  const size = height * width * scale * scale;
  const passes = channelsIn === 1 ? planes.map((plane) => [plane]) : [planes.length === 1 ? [planes[0]!, planes[0]!, planes[0]!] : planes];
  const results: Float32Array[] = [];
  for (const [index, pass] of passes.entries()) {
    const given = new Float32Array(pass.length * height * width);
    pass.forEach((plane, c) => given.set(plane, c * height * width));
    const found = await runner.planes(given, height, width, (one) => share((index + one) / passes.length));
    for (let c = 0; c < channelsIn; ++c) results.push(found.subarray(c * size, (c + 1) * size));
  }
  if (results.length === planes.length) return results;
  const [red, green, blue] = results as [Float32Array, Float32Array, Float32Array];
  return [red.map((value, at) => Math.fround(Math.fround(Math.fround(value + green[at]!) + blue[at]!) / 3))];
}

function sides(tile: Tile): [number, number] {
  return [tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start];
}

/** Calls `each` with the pixel at which a row of the tile begins, in the picture and in the tile. */
function eachRow(picture: Picture, tile: Tile, each: (from: number, to: number) => void): void {
  const [height, width] = sides(tile);
  for (let y = 0; y < height; ++y) each((tile.rows.start + y) * picture.width + tile.columns.start, y * width);
}

/** Calls `each` with every pixel of the core of an enlarged tile: its place in the tile and in the whole. */
function eachKept(tile: Tile, scale: number, outWidth: number, each: (from: number, to: number) => void): void {
  const { rows, columns } = tile;
  const width = (columns.stop - columns.start) * scale;
  for (let y = rows.coreStart * scale; y < rows.coreStop * scale; ++y) {
    for (let x = columns.coreStart * scale; x < columns.coreStop * scale; ++x) {
      each((y - rows.start * scale) * width + x - columns.start * scale, y * outWidth + x);
    }
  }
}

function clamp(value: number, most: number): number {
  return value < 0 ? 0 : value > most ? most : value;
}

/** In single precision, half to even, as numpy does it. */
function byteOf(value: number): number {
  const scaled = Math.fround(value * 255);
  const down = Math.floor(scaled);
  const rest = scaled - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}
