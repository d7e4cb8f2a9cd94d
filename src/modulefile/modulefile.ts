import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type DialectName, dialects } from '../activate/dialects.ts'
import { hook, unhook } from '../activate/hook.ts'
import { quoteLua, quoteTcl } from './quote.ts'

interface ModuleSystem {
  template: string
  quote(text: string): string
  /** An entry in the table of shell code. The code is quoted already. */
  entry(dialect: string, load: string, unload: string): string
}

const systems = {
  lmod: {
    template: 'modulefile.lua',
    quote: quoteLua,
    entry: (dialect, load, unload) => `   ${dialect} = {\nload = ${load},\nunload = ${unload}\n   },`,
  },
  tcl: {
    template: 'modulefile.tcl',
    quote: quoteTcl,
    entry: (dialect, load, unload) => `set load(${dialect}) ${load}\nset unload(${dialect}) ${unload}`,
  },
} satisfies Record<string, ModuleSystem>

export type ModuleSystemName = keyof typeof systems
export const MODULE_SYSTEMS = Object.keys(systems) as ModuleSystemName[]

/**
 * A modulefile for Lmod (Lua) or Environment Modules (Tcl). It holds the shell function in every dialect, so that loading
 * it starts no program and reads no other file.
 *
 * @param launcher absolute path of bin/conda-stage; its folder goes to the front of PATH
 */
export function modulefile(name: ModuleSystemName, launcher: string, version: string): string {
  const { template, quote, entry } = systems[name]
  const code = (Object.keys(dialects) as DialectName[]).map((dialect) =>
    entry(dialect, quote(onLoad(dialect, launcher)), quote(unhook(dialect).trimEnd())),
  )
  const values: Record<string, string> = {
    FOLDER: quote(dirname(launcher)),
    VERSION: quote(version),
    HELP: quote(read('help.txt').replaceAll('@VERSION@', () => version)),
    CODE: code.join('\n'),
  }
  return read(template).replaceAll(/@([A-Z]+)@/g, (_, key: string) => values[key]!)
}

/** bash exports the function: scripts inherit the list of loaded modules, so they should have what it promises. */
const onLoad = (dialect: DialectName, launcher: string): string =>
  (hook(dialect, launcher) + (dialect === 'bash' ? read('inherit.bash') : '')).trimEnd()

function read(name: string): string {
  return readFileSync(new URL(`./templates/${name}`, import.meta.url), 'utf8')
}
