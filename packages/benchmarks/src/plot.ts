/** A line plot as SVG: sizes on a logarithmic axis, cost of one operation on a linear one that begins at zero. */

/** One line: a value for each size. */
export interface Curve {
  readonly name: string;
  readonly values: readonly number[];
}

const WIDTH = 720;
const HEIGHT = 360;
const LEFT = 60;
const RIGHT = 230;
const TOP = 20;
const BOTTOM = 50;
const COLOURS = ['#1b6ca8', '#c8553d', '#588157', '#7b4b94'];

function text(left: number, base: number, content: string, anchor = 'middle', colour = '#444'): string {
  return `<text x="${left.toFixed(1)}" y="${base.toFixed(1)}" text-anchor="${anchor}" fill="${colour}">${content}</text>`;
}

/** Draws `curves` over `sizes`. */
export function plot(sizes: readonly number[], curves: readonly Curve[]): string {
  const top = Math.max(...curves.flatMap(({ values }) => values)) * 1.1;
  const x = (at: number): number => LEFT + (at * (WIDTH - LEFT - RIGHT)) / (sizes.length - 1);
  const y = (value: number): number => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const lines = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(share * top)}" y2="${y(share * top)}" stroke="#ddd"/>`,
    text(LEFT - 8, y(share * top) + 4, (share * top).toFixed(2), 'end'),
  ]);
  const labels = sizes.map((size, at) => text(x(at), HEIGHT - BOTTOM + 18, size.toLocaleString('en')));
  const drawn = curves.flatMap(({ name, values }, at) => {
    const colour = COLOURS[at % COLOURS.length] ?? '#000';
    const points = values.map((value, size) => `${x(size).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    return [
      `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      `<line x1="${WIDTH - RIGHT + 20}" x2="${WIDTH - RIGHT + 40}" y1="${TOP + 20 * at + 16}" y2="${TOP + 20 * at + 16}" stroke="${colour}" stroke-width="2"/>`,
      text(WIDTH - RIGHT + 46, TOP + 20 * at + 20, name, 'start', colour),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    ...lines,
    ...labels,
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, 'operations in one run'),
    text(LEFT, TOP - 6, 'µs for one', 'start'),
    ...drawn,
    '</svg>\n',
  ].join('\n');
}
