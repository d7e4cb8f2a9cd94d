/** Rows as a Markdown table, as Biome formats it. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(3, ...rows.map((row) => row[column]!.length)))
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |\n`
  const [head, ...body] = rows
  return line(head!) + line(widths.map((width) => '-'.repeat(width))) + body.map(line).join('')
}

export const seconds = (value: number): string => `${value < 9.95 ? value.toFixed(1) : Math.round(value)} s`

/** With two digits. */
export function rounded(value: number): string {
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1)
  return counted(Math.round(value / digits) * digits)
}

/** With commas between thousands. */
export const counted = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',')
