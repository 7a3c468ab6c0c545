/** What one run of the truth suite found for one channel, as its test file writes it. */
export interface ChannelTruth {
  readonly id: string
  readonly name: string
  /** Behaviours without a meaning on this channel, and why. */
  readonly impossible: Readonly<Record<string, string>>
  /** Those that there are. */
  readonly starters: readonly string[]
  /** Columns of the table. Absent: every starter. */
  readonly columns?: readonly string[]
  readonly records: readonly TruthRecord[]
}

export interface TruthRecord {
  readonly behaviour: string
  readonly starter: string
  readonly outcome: string
  readonly finally: string
  readonly session: string
  readonly told: string
  readonly browser: string
}

/** Columns of the table, in this order. */
const starters = [
  'participant, front channel',
  'participant, SOAP',
  'user at the authority',
  'upstream, front channel',
  'upstream, back channel',
  'PingOne address',
  'administrator',
  'expiry'
] as const

const behaviours = [
  'down',
  'hangs',
  'answers 500',
  'redirects elsewhere',
  'never returns the browser',
  'wrong signature',
  'wrong InResponseTo',
  'wrong status',
  'partial logout of its own',
  'too slow',
  'answers twice',
  'answers over another binding'
] as const

/** The section of one channel, between its marks. */
export function truthSection({ id, name, impossible, starters: there, columns = starters, records }: ChannelTruth): string {
  const head = ['it', 'outcome', 'its own session', 'browser', ...columns]
  const rows = behaviours.filter((behaviour) => impossible[behaviour] === undefined).map((behaviour) => rowOf(behaviour, { columns, there }, records))
  const absent = columns.filter((starter) => !there.includes(starter)).map((starter) => `- ${starter}: not possible, the one that misbehaves is the upstream.`)
  const none = behaviours.flatMap((behaviour) => (impossible[behaviour] === undefined ? [] : [`- ${behaviour}: not possible, ${impossible[behaviour]}.`]))
  const table = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  return [start(id), `## ${name}`, '', ...table, ...(none.length + absent.length === 0 ? [] : ['', ...none, ...absent]), end(id)].join('\n')
}

function rowOf(
  behaviour: string,
  { columns, there }: { readonly columns: readonly string[]; readonly there: readonly string[] },
  records: readonly TruthRecord[]
): readonly string[] {
  const own = records.filter((record) => record.behaviour === behaviour)
  const told = columns.map((starter) => {
    const record = own.find((one) => one.starter === starter)
    if (record !== undefined) return toldWord(record.told)
    return there.includes(starter) ? 'not run' : '–'
  })
  return [behaviour, byStarter(own, outcomeWord), byStarter(own, ({ session }) => session), byStarter(own, ({ browser }) => browser), ...told]
}

function outcomeWord({ outcome, finally: last }: TruthRecord): string {
  return outcome === last ? `\`${outcome}\`` : `\`${outcome}\`, then \`${last}\``
}

const words: Readonly<Record<string, string>> = {
  Success: 'complete',
  'Signed out': 'complete',
  'You are signed out': 'complete',
  PartialLogout: 'partial',
  'Not signed out everywhere': 'partial'
}

function toldWord(told: string): string {
  return words[told] ?? told
}

/** One word where all starters agree; otherwise the most frequent, and who differs. */
function byStarter(records: readonly TruthRecord[], word: (record: TruthRecord) => string): string {
  const groups = [...Map.groupBy(records, word)].sort(([, a], [, b]) => b.length - a.length)
  const inOrder = (group: readonly TruthRecord[]): string => starters.filter((starter) => group.some((record) => record.starter === starter)).join('; ')
  return groups.map(([said, group], i) => (i === 0 ? said : `${said} (${inOrder(group)})`)).join(', ')
}

/** Every cell was carried out. */
export function isWhole(truth: ChannelTruth): boolean {
  return !truthSection(truth).includes('not run')
}

/** The sections of a page by channel. */
export function sectionsOf(page: string): ReadonlyMap<string, string> {
  return new Map([...page.matchAll(/<!-- truth:([\w-]+) -->[\s\S]*?<!-- \/truth:\1 -->/g)].map(([section, id = '']) => [id, section]))
}

/** The page with these sections in place of those that it has; new ones come last. */
export function withSections(page: string, found: readonly ChannelTruth[]): string {
  let next = page
  for (const truth of found) {
    const before = sectionsOf(next).get(truth.id)
    next = before === undefined ? `${next.trimEnd()}\n\n${truthSection(truth)}\n` : next.replace(before, () => truthSection(truth))
  }
  return next
}

function start(id: string): string {
  return `<!-- truth:${id} -->`
}

function end(id: string): string {
  return `<!-- /truth:${id} -->`
}
