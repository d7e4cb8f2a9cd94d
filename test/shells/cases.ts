/** What the tests of fish and csh have in common. */

/** How the environment `my` may have become active: the last command is the one that `conda deactivate` takes back. */
export const WAYS = {
  'nothing underneath': 'conda activate my',
  'base underneath': 'conda activate base; conda activate my',
  'another one underneath': 'conda activate other; conda activate my',
  'stacked on another one': 'conda activate other; conda activate --stack my',
}

export const NASTY_NAME = `-it's "$HOME" \`x\` \\ é*[a]\n!`

/** As conda, or something like it, would leave a session in which the environment is active. */
export const active = (prefix: string, path = '/usr/bin:/bin') => ({
  CONDA_PREFIX: prefix,
  CONDA_SHLVL: '1',
  CONDA_DEFAULT_ENV: 'my',
  CONDA_PROMPT_MODIFIER: '(my) ',
  PATH: `${prefix}/bin:${path}`,
})
