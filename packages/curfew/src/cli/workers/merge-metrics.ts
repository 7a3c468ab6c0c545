/**
 * Puts the figures of several processes into one page: every family once, with the samples of all. Each process marks
 * its samples with a label of its own.
 */
export function mergeMetrics(pages: readonly string[]): string {
  const families = new Map<string, { readonly head: string[]; readonly samples: string[] }>()
  for (const page of pages) {
    let family = ''
    for (const line of page.split('\n')) {
      if (line === '') continue
      const described = /^# (?:HELP|TYPE) (\S+)/.exec(line)?.[1]
      family = described ?? (line.startsWith('#') ? family : familyOf(line, family))
      const known = families.get(family) ?? { head: [], samples: [] }
      families.set(family, known)
      if (described === undefined) known.samples.push(line)
      else if (!known.head.includes(line)) known.head.push(line)
    }
  }
  return `${[...families.values()].flatMap(({ head, samples }) => [...head, ...samples]).join('\n')}\n`
}

/** Samples of a histogram are named after their family, with an ending. */
function familyOf(sample: string, family: string): string {
  const name = /^[^{\s]+/.exec(sample)?.[0] ?? ''
  return family !== '' && name.startsWith(family) ? family : name
}
