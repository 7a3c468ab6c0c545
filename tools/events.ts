import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One name that `event` has in a log line or in the audit log. */
export interface EventName {
  readonly name: string
  /** `audit`, `stream`, or the level of the log line. */
  readonly where: string
  /** The sentence of the log line, as it stands in the code; absent where it comes from an error. */
  readonly sentence?: string
}

/** Reads every event name off the source, so that the list can not be forgotten. */
export function eventsIn(folder: string): readonly EventName[] {
  const found = new Map<string, EventName>()
  for (const file of globSync('**/*.ts', { cwd: folder }).sort()) {
    for (const event of eventsOf(readFileSync(join(folder, file), 'utf8'))) {
      const key = `${event.name} ${event.where}`
      const known = found.get(key)
      if (known?.sentence === undefined) found.set(key, event)
    }
  }
  return [...found.values()].toSorted((a, b) => (`${a.name} ${a.where}` < `${b.name} ${b.where}` ? -1 : 1))
}

/** A name has a part and what happened to it; one that is put together says where it varies. */
const nameShape = /^(?:[a-z-]+|\$\{[^}]+\})(?:\.(?:[a-z-]+|\$\{[^}]+\}))+$/

/** One of two names: `event: isThis ? 'a.b' : 'c.d'`, the same kept in a variable, or among the arguments that `about` gives to an audit line. */
const choices = [
  /\bevent(:| =) [^,;\n]*?\? '([a-z-]+(?:\.[a-z-]+)+)' : '([a-z-]+(?:\.[a-z-]+)+)'/g,
  /\babout\(()(?:[^()]|\(\))*?'([a-z-]+\.[a-z-]+)'(?: : '([a-z-]+\.[a-z-]+)')?/g
]

function chosenEvents(text: string): readonly EventName[] {
  return choices.flatMap((pattern) =>
    [...text.matchAll(pattern)].flatMap(({ 1: sign, 2: one, 3: other, index }) =>
      [one, other].flatMap((name) => (name === undefined ? [] : [sign === ':' ? describe(text, name, index) : { name, where: usedIn(text.slice(index)) }]))
    )
  )
}

/** What a name that is kept in a variable goes to. */
function usedIn(after: string): string {
  return /\b(?:logger|log)\??\.(debug|info|warn|error)\(|\b(?:audit|about|appendAudit)\(/.exec(after)?.[1] ?? 'audit'
}

function eventsOf(text: string): readonly EventName[] {
  const fields = [...text.matchAll(/\bevent: (['`])([^'`]+)\1/g)].map((match) => ({ name: match[2] ?? '', at: match.index }))
  const notes = [...text.matchAll(/\bnote\([^()]*?(['`])([a-z-]+\.[^'`]+)\1/g)].map((match): EventName => ({ name: shown(match[2] ?? ''), where: 'audit' }))
  const named = fields.filter(({ name }) => nameShape.test(name)).map(({ name, at }) => describe(text, shown(name), at))
  // What runs tell besides their audit lines (admin/run-attempts.ts).
  if (/\bexport type Told\b/.test(text)) return named.map(({ name }) => ({ name, where: 'stream' }))
  return [...named, ...chosenEvents(text), ...notes]
}

function shown(name: string): string {
  return name.replaceAll(/\$\{([^}]+)\}/g, (_, expression: string) => `<${expression.split('.').at(-1) ?? ''}>`)
}

/** Where the object with this name goes: to the nearest call before it, or, kept in a variable, to the first one after it. */
function describe(text: string, name: string, at: number): EventName {
  const before = text.slice(Math.max(0, at - 400), at)
  const calls = [...before.matchAll(/\b(?:logger|log)\??\.(debug|info|warn|error)\(|\b(appendAudit)\(|\b(?:const|return)\b/g)]
  const nearest = calls.at(-1)
  if (nearest?.[2] !== undefined) return { name, where: 'audit' }
  const [, level] = nearest ?? []
  const after = text.slice(at)
  if (level === undefined) {
    const later = /\b(?:logger|log)\??\.(debug|info|warn|error)\(/.exec(after.slice(0, 900))
    return { name, where: later?.[1] ?? 'audit' }
  }
  const sentence = /^[^;]*?\}\s*,\s*(['`])((?:(?!\1)[^\\]|\\.)*)\1\s*\)/.exec(after)?.[2]
  return { name, where: level, ...(sentence === undefined || sentence === 'ready' || sentence === 'stopped' ? {} : { sentence: shown(sentence) }) }
}

/** The page with all of them. */
export function eventReference(folder: string): string {
  const rows = eventsIn(folder).map(({ name, where, sentence = '' }) => `| \`${name}\` | ${where} | ${sentence.replaceAll('|', '\\|')} |`)
  return `${[
    '# Events',
    '',
    'Generated from the source. Every log line is one JSON object with `event`, mostly with `code` (see the [error pages](errors)), `run`, `connection`, `session`, `outcome` or `durationMs`, and a sentence in `msg`. Names stay what they are; sentences may get better. `audit`: an entry of the audit log, `GET /v1/audit`; the [event stream](../how-to/follow-events.md) tells these, and what is marked `stream`. Where an entry has no sentence, it is that of the error. `<...>` stands for a word that varies.',
    '',
    'Fields whose name ends in password, passphrase, secret, token, cookie, authorization, assertion, SAMLRequest, SAMLResponse, private key, API key or code verifier, in whatever spelling (`refresh_token`, `clientSecret`, `Set-Cookie`), are replaced by `[redacted]` before a line is written, at any depth. A line has 10,000 values at most, and a text in it 8,192 characters.',
    '',
    'Of warnings and errors that strangers can cause (the surfaces of the authority, the gateway, calls between groups) 100 lines of one event and code are written in a minute; then `log.left-out` says how many more there were. All of them are counted in the metrics (`curfew_requests_refused_total`).',
    '',
    '| event | where | sentence |',
    '| --- | --- | --- |',
    ...rows
  ].join('\n')}\n`
}
