/** The order of two ASCII texts, such as times in ISO 8601. `localeCompare` loads the rules of all languages for that. */
export const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b))
