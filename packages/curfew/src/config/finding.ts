/** One thing that is wrong with a configuration, with its place. */
export interface Finding {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly code: FindingCode
  /** `connections[payroll].slo[0].binding` */
  readonly path: string
  /** What is wrong, in one sentence with the value. */
  readonly what: string
  /** What to write instead. */
  readonly fix: string
}

export type FindingCode =
  | 'CURFEW_CONFIG_SYNTAX'
  | 'CURFEW_CONFIG_UNKNOWN_KEY'
  | 'CURFEW_CONFIG_UNKNOWN_VALUE'
  | 'CURFEW_CONFIG_MISSING'
  | 'CURFEW_CONFIG_TYPE'
  | 'CURFEW_CONFIG_VALUE'
  | 'CURFEW_CONFIG_SECRET'
  | 'CURFEW_CONFIG_FILE'
  | 'CURFEW_CONFIG_DUPLICATE'
  | 'CURFEW_CONFIG_EXT_PATH'
  | 'CURFEW_CONFIG_HOSTNAME_UNVERIFIED'
  | 'CURFEW_CONFIG_BRAND_CONTRAST'
  | 'CURFEW_CONFIG_BRAND_MARKUP'
  | 'CURFEW_CONFIG_BRAND_MESSAGE'

/** Two lines for a terminal: place, code, what; then what to do. */
export function findingText(finding: Finding): string {
  const place = `${finding.file}:${finding.line}:${finding.column}`
  return `${place}  ${finding.code}  ${finding.path}: ${finding.what}\n${' '.repeat(place.length + 2)}${finding.fix}`
}

/** All findings, in the order of the file. */
export function sortedFindings(findings: readonly Finding[]): readonly Finding[] {
  return [...findings].sort((a, b) => (a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1))
}
