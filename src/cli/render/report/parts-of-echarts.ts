/** What we use of the charting library, as a file of its own: only who writes a report loads it. */
import { BarChart, LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent } from 'echarts/components'
import { init, setPlatformAPI, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

use([BarChart, LineChart, GridComponent, LegendComponent, SVGRenderer])

/** Nobody knows the reader's fonts. Of those that are usual, this is wider than all. */
const WIDTH_OF_CHARACTER = 0.62

setPlatformAPI({
  measureText: (text: string, font?: string) => ({
    width: text.length * WIDTH_OF_CHARACTER * Number(/(\d+)px/.exec(font ?? '')?.[1] ?? 13),
  }),
})

export { init }
