import { shown } from '../shown.ts'
import { type Chart, chartSvg } from './charts.ts'

/** Text as it may stand in a page, whatever is in it. */
export const escaped = (text: string): string =>
  shown(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

export const code = (text: string): string => `<code>${escaped(text)}</code>`

/** Paths look like what a user types. */
const textOf = (cell: string): string => (cell.startsWith('/') ? code(cell) : escaped(cell))

export const paragraph = (text: string): string => `<p>${escaped(text)}</p>`

/** @param rows texts are names, numbers are aligned; a number has its text */
export function table(head: readonly string[], rows: readonly (readonly (string | { number: string })[])[]): string {
  const isNumber = (at: number) => typeof rows[0]?.[at] === 'object'
  const kind = (at: number) => (isNumber(at) ? ' class="number"' : '')
  const titles = head.map((text, at) => `<th scope="col"${kind(at)}>${escaped(text)}</th>`).join('')
  const lines = rows.map((row) => {
    const cells = row.map(
      (cell, at) => `<td${kind(at)}>${typeof cell === 'string' ? textOf(cell) : escaped(cell.number)}</td>`,
    )
    return `<tr>${cells.join('')}</tr>`
  })
  return `<div class="scroll" tabindex="0"><table><thead><tr>${titles}</tr></thead><tbody>${lines.join('\n')}</tbody></table></div>`
}

export function figure(chart: Chart): string {
  const { wide, narrow } = chartSvg(chart)
  const label = `role="img" aria-label="${escaped(`${chart.title}. ${chart.says}`)}"`
  const parts = [
    ['wide', wide],
    ['narrow', narrow],
  ].map(([size, svg]) => `<div class="${size}">${svg!.replace('<svg ', `<svg ${label} `)}</div>`)
  return `<figure>${parts.join('\n')}<figcaption>${escaped(chart.title)}</figcaption></figure>`
}
