import { init } from './parts-of-echarts.ts'

/** A picture of some numbers. The page has the same numbers as a table. */
export interface Chart {
  title: string
  /** What a reader who can't see it is told. */
  says: string
  kind: 'bars' | 'lines'
  /** Of the axis along which the numbers go. */
  unit: string
  /** Of bars: their names, from top to bottom. Of lines: the name of the axis of counts. */
  names: readonly string[]
  /** These are paths, which have no blanks. */
  breaksWords?: true
  series: readonly { name: string; values: readonly (number | readonly [number, number])[] }[]
}

/** Pixels. Texts keep their size, so a phone gets a picture of its own. */
const WIDTHS = { wide: 680, narrow: 320 } as const

/** Stand for colours of the page, which differ by day and by night: the library calculates with colours, and knows no variables. */
const INK = '#010101'
const GRID = '#020202'
const COLOURS = ['#030303', '#040404', '#050505']
const VARIABLES = new Map([
  [INK, 'var(--ink)'],
  [GRID, 'var(--grid)'],
  ...COLOURS.map((colour, at) => [colour, `var(--series-${at + 1})`] as const),
])

/** The chart as SVG, once for wide windows and once for phones. */
export const chartSvg = (chart: Chart): { wide: string; narrow: string } => ({
  wide: svg(chart, WIDTHS.wide),
  narrow: svg(chart, WIDTHS.narrow),
})

function svg(chart: Chart, width: number): string {
  const bars = chart.kind === 'bars'
  const isNarrow = width < 500
  // There, the names of the series may take two lines.
  const top = isNarrow ? 66 : 40
  const height = bars ? top + 70 + chart.names.length * (isNarrow ? 60 : 44) : 300
  const drawn = init(null, null, { renderer: 'svg', ssr: true, width, height })
  const text = { color: INK, fontSize: 13, lineHeight: 17, fontFamily: 'system-ui, sans-serif' }
  const lines = { axisLine: { lineStyle: { color: INK } }, splitLine: { lineStyle: { color: GRID } } }
  const numbers = {
    type: 'value' as const,
    name: chart.unit,
    nameLocation: 'middle' as const,
    nameGap: 30,
    nameTextStyle: text,
    axisLabel: { ...text, hideOverlap: true },
    splitNumber: isNarrow ? 3 : 6,
    ...lines,
  }
  const names = {
    type: 'category' as const,
    data: [...chart.names],
    inverse: true,
    axisLabel: {
      ...text,
      width: isNarrow ? 88 : 172,
      overflow: chart.breaksWords ? ('breakAll' as const) : ('break' as const),
      interval: 0,
    },
    axisTick: { show: false },
    ...lines,
  }
  const counts = { ...numbers, name: chart.names[0] ?? '', minInterval: 1, max: 'dataMax' as const }
  drawn.setOption({
    animation: false,
    color: COLOURS,
    legend: { top: 0, left: 0, textStyle: text, itemGap: 18, selectedMode: false },
    grid: { top, bottom: 50, left: bars ? (isNarrow ? 98 : 184) : 60, right: 24 },
    xAxis: bars ? numbers : counts,
    yAxis: bars ? names : { ...numbers, nameGap: 40 },
    series: chart.series.map(({ name, values }) => ({
      name,
      type: bars ? ('bar' as const) : ('line' as const),
      ...(bars ? { stack: 'all', barMaxWidth: 24 } : { showSymbol: false }),
      data: values.map((value) => (typeof value === 'number' ? value : [...value])),
    })),
  })
  const picture = drawn.renderToSVGString()
  drawn.dispose()
  return picture
    .replace(/<style[\s\S]*?<\/style>/, '') // what happens under a mouse
    .replace(/#0[1-5]0[1-5]0[1-5]\b/g, (colour) => VARIABLES.get(colour) ?? colour)
}
