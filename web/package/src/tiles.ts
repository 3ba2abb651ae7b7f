/** Cutting a picture into overlapping tiles, as `intaglio.images.tiles` does it. */

/** A run of pixels along one axis: [start, stop) is read, [coreStart, coreStop) within it is kept. */
export interface Span {
  readonly start: number;
  readonly stop: number;
  readonly coreStart: number;
  readonly coreStop: number;
}

/** The cores of all tiles of a picture cover it exactly once. */
export interface Tile {
  readonly rows: Span;
  readonly columns: Span;
}

/**
 * Covers a picture with tiles of `size` by `size` pixels that share at least `overlap` with their neighbours; they part in the middle of that.
 * Only pictures smaller than `size` give smaller tiles. Row by row, left to right.
 */
export function planTiles(height: number, width: number, size: number, overlap: number): Tile[] {
  if (!(overlap >= 0 && overlap < size)) throw new RangeError(`tiles of ${size} pixels cannot overlap by ${overlap}`);
  const across = spans(width, size, overlap);
  return spans(height, size, overlap).flatMap((rows) => across.map((columns) => ({ rows, columns })));
}

function spans(length: number, size: number, overlap: number): Span[] {
  if (length <= size) return length ? [{ start: 0, stop: length, coreStart: 0, coreStop: length }] : [];
  const starts: number[] = [];
  for (let start = 0; start < length - size; start += size - overlap) starts.push(start);
  starts.push(length - size);
  const seam = (index: number): number => {
    if (index === 0) return 0;
    if (index === starts.length) return length;
    return Math.floor((starts[index - 1]! + size + starts[index]!) / 2);
  };
  return starts.map((start, index) => ({ start, stop: start + size, coreStart: seam(index), coreStop: seam(index + 1) }));
}
