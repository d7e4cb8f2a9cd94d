/** What made an environment. That decides where its archive goes, and which variables of a session tell about it. */
export const ENVIRONMENT_KINDS = ['conda', 'pixi', 'venv'] as const

export type EnvironmentKind = (typeof ENVIRONMENT_KINDS)[number]
