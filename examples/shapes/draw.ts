/** Draws random shapes: the data of the example, made on the spot. One picture is 32×32, ink 1 on paper 0. */

export const side = 32;
export const classes = ["circle", "square", "triangle", "cross", "line"] as const;

export type Random = () => number;

/** A small seeded generator (mulberry32), so that the example is the same on every machine. */
export function seeded(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Point = readonly [number, number];

/** Distance from a point to a stretch of line. */
function distance([x, y]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const along = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)));
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}

function polygon(corners: number, radius: number, turn: number, [cx, cy]: Point): Point[] {
  return Array.from({ length: corners }, (_, corner): Point => {
    const angle = turn + (corner * 2 * Math.PI) / corners;
    return [cx + radius * Math.cos(angle), cy + radius * Math.sin(angle)];
  });
}

/** A picture of one class: place, size, turn, stroke and noise are random. */
export function draw(label: number, random: Random): Float32Array {
  const radius = 7 + random() * 6;
  const centre: Point = [
    radius + 2 + random() * (side - 2 * radius - 4),
    radius + 2 + random() * (side - 2 * radius - 4),
  ];
  const turn = random() * 2 * Math.PI;
  const stroke = 0.9 + random() * 1.1;
  const filled = label <= 2 && random() < 0.3;
  const noise = random() * 0.12;
  const corners = label === 1 ? polygon(4, radius, turn, centre) : polygon(3, radius, turn, centre);
  const ends = polygon(4, radius, turn, centre);
  const picture = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const point: Point = [x + 0.5, y + 0.5];
      let away: number;
      if (label === 0) away = Math.abs(Math.hypot(point[0] - centre[0], point[1] - centre[1]) - radius);
      else if (label <= 2)
        away = Math.min(
          ...corners.map((corner, place) => distance(point, corner, corners[(place + 1) % corners.length]!)),
        );
      else if (label === 3) away = Math.min(distance(point, ends[0]!, ends[2]!), distance(point, ends[1]!, ends[3]!));
      else away = distance(point, ends[0]!, ends[2]!);
      if (filled && inside(point, label, centre, radius, corners)) away = 0;
      const ink = Math.max(0, Math.min(1, stroke + 0.5 - away));
      picture[y * side + x] = Math.max(0, Math.min(1, ink + (random() - 0.5) * noise));
    }
  }
  return picture;
}

function inside([x, y]: Point, label: number, centre: Point, radius: number, corners: readonly Point[]): boolean {
  if (label === 0) return Math.hypot(x - centre[0], y - centre[1]) < radius;
  return corners.every(([ax, ay], place) => {
    const [bx, by] = corners[(place + 1) % corners.length]!;
    return (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0;
  });
}
