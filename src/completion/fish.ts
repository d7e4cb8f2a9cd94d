import { fish } from '../activate/fish.ts'
import type { CompletableOption, Value } from './option.ts'

/** COMMANDS: one `complete` for each option. */
export function fishParts(options: CompletableOption[]): Record<string, string> {
  return { COMMANDS: options.map(command).join('\n') }
}

function command({ names, description, value }: CompletableOption): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  return [
    'complete -c conda-stage',
    ...flags,
    ...(value ? [argument(value)] : []),
    `-d ${fish.quote(description)}`,
  ].join(' ')
}

const ARGUMENTS: Record<Exclude<Value['kind'], 'choice'>, string> = {
  folder: "-x -a '(__fish_complete_directories)'",
  file: '-r -F',
  environment: "-x -a '(__conda_stage_environments)'",
  other: '-x',
}

function argument({ kind, choices, optional }: Value): string {
  if (kind !== 'choice') return ARGUMENTS[kind]
  return `${optional ? '-f' : '-x'} -a ${fish.quote(choices.join(' '))}`
}
