import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { openConnections } from '../../authority/saml/connections.ts'
import { findingText } from '../../config/finding.ts'
import { type PartnerList, withEntry } from '../../config/imports/add-entry.ts'
import { type Draft, type DraftEntry, draftText, freeId } from '../../config/imports/draft.ts'
import { parseConfig } from '../../config/load.ts'
import { importMetadata } from '../../config/metadata/import-metadata.ts'
import type { Config } from '../../config/schema.ts'
import { id as idSchema } from '../../config/values.ts'
import { systemClock } from '../../platform/clock.ts'
import { brandProblems } from '../brand-findings.ts'
import { type CommandContext, configPath, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { tableLines } from '../import-output.ts'
import { publicHalf, surroundingsOf } from '../inspect-surroundings.ts'
import { type MetadataSource, readMetadataSource } from '../metadata-source.ts'
import { replaceFile } from '../replace-file.ts'
import { partnersThere } from './import-metadata.ts'
import { loadOrReport } from './validate.ts'

export interface AddConnectionOptions {
  readonly metadata: string
  /** Shown to people; the id is made of it where none is given. */
  readonly name?: string
  readonly id?: string
  readonly entity?: string
  readonly as?: 'application' | 'identity-provider'
  readonly certificate?: string
  readonly plan?: boolean
}

/** `curfew connections add --metadata <file|url>`: one SAML partner more in `curfew.yaml`, which is written only when all of it is good. */
export async function addConnection(context: CommandContext, options: AddConnectionOptions): Promise<ExitCode> {
  const { terminal } = context
  const loaded = loadOrReport(context)
  if (loaded === undefined) return exitCode.configuration
  const file = configPath(context)
  const text = readFileSync(file, 'utf8')
  const { ids, known } = partnersThere(loaded)
  const problem = idProblem(options.id, ids)
  if (problem !== undefined) {
    terminal.error(`${problem} Nothing was changed.`)
    return exitCode.usage
  }
  const surroundings = await surroundingsOf({ ...context, options: { ...context.options, config: file } })
  const all = new Map([...known, ...(surroundings?.partners ?? []).map((one) => [`${one.role} ${one.entityId}`, one.id] as const)])
  const source = await readMetadataSource(options.metadata, { configFile: file, certificate: options.certificate, outbound: loaded.config.outbound })
  const draft = importMetadata(source.bytes, {
    origin: source.origin,
    wanted: options.entity === undefined ? [] : [options.entity],
    ids: new Set(ids),
    known: all,
    nowMs: systemClock.nowMs()
  })
  const chosen = chooseOne(context, draft, options)
  if (chosen === undefined) return exitCode.needsInput
  const named = withNames(chosen, options, ids)
  const next = withEntry(text, named.list, named.entry)
  if (!(await isGood(context, { file, text: next, id: named.id, source }))) return exitCode.configuration
  return give(context, { file, before: text, next, named, draft, isPlan: options.plan === true })
}

function idProblem(id: string | undefined, ids: ReadonlySet<string>): string | undefined {
  if (id === undefined) return undefined
  const checked = idSchema.safeParse(id)
  if (!checked.success) return `"${id}" can be no id: ${checked.error.issues[0]?.message ?? ''}.`
  return ids.has(id) ? `${id} is there already.` : undefined
}

interface Chosen {
  readonly list: PartnerList
  readonly entry: DraftEntry
}

/** The one partner that is meant; undefined: there is none, or more than one, and that was said. */
function chooseOne({ terminal }: CommandContext, draft: Draft, options: AddConnectionOptions): Chosen | undefined {
  const lists: readonly PartnerList[] =
    options.as === undefined ? ['connections', 'identityProviders'] : [options.as === 'application' ? 'connections' : 'identityProviders']
  const found = lists.flatMap((list): readonly Chosen[] =>
    ((draft.settings[list] ?? []) as readonly DraftEntry['settings'][]).map((settings, i) => ({
      list,
      entry: { settings, comments: draft.comments[`${list}.${i}`] ?? [] }
    }))
  )
  const [first, ...others] = found
  if (first !== undefined && others.length === 0) return first
  if (first === undefined) {
    terminal.error(`${options.metadata} holds no partner that could be added. Nothing was changed.`)
    for (const line of tableLines(draft.lines)) terminal.error(line)
    return undefined
  }
  terminal.error(
    `${options.metadata} holds ${found.length} partners. Say which one, by --entity and --as; for all of them: curfew import metadata. Nothing was changed.`
  )
  for (const { list, entry } of found.slice(0, shownMax))
    terminal.error(`  --entity ${entry.comments[0] ?? ''} --as ${list === 'connections' ? 'application' : 'identity-provider'}`)
  if (found.length > shownMax) terminal.error(`  and ${found.length - shownMax} more`)
  return undefined
}

const shownMax = 50

interface Named extends Chosen {
  readonly id: string
}

/** Its id and name as they were asked for. */
function withNames({ list, entry }: Chosen, { id, name }: AddConnectionOptions, taken: ReadonlySet<string>): Named {
  const { id: made, ...rest } = entry.settings
  const chosen = id ?? (name === undefined ? String(made) : freeId([name, String(made)], new Set(taken)))
  const settings = { id: chosen, ...(name === undefined ? {} : { name }), ...rest }
  return { list, id: chosen, entry: { settings, comments: entry.comments } }
}

interface Candidate {
  readonly file: string
  readonly text: string
  readonly id: string
  readonly source: MetadataSource
}

/** Checks the whole configuration as it would be, and makes the partner as a server does. */
async function isGood({ terminal, environment }: CommandContext, { file, text, id, source }: Candidate): Promise<boolean> {
  const result = parseConfig(text, file, { environment, brandProblems })
  if (!result.ok) {
    for (const finding of result.findings) terminal.error(findingText(finding))
    terminal.error(`${result.findings.length} ${result.findings.length === 1 ? 'finding' : 'findings'} with the new connection. Nothing was changed.`)
    return false
  }
  await openPartner(result.loaded.config, id, source.bytes)
  return true
}

/** @throws CURFEW_CONFIG_CONNECTION when no partner can be made of it */
async function openPartner(config: Config, id: string, bytes: Uint8Array): Promise<void> {
  const applications = config.connections.filter((one) => one.protocol === 'saml').filter((one) => one.id === id)
  const identityProviders = config.identityProviders.filter((one) => one.protocol === 'saml').filter((one) => one.id === id)
  const ownKeys = config.saml.keys.map(({ certificate, algorithm }) => publicHalf(readFileSync(certificate, 'utf8'), algorithm))
  const onProblem = (_: string, error: unknown): never => {
    throw error
  }
  await using _live = await openConnections(
    { clock: systemClock, ownKeys, readFile: (path) => readFile(path), fetchMetadata: async () => bytes, onProblem },
    { applications, identityProviders }
  )
}

function give(
  context: CommandContext,
  {
    file,
    before,
    next,
    named,
    draft,
    isPlan
  }: { readonly file: string; readonly before: string; readonly next: string; readonly named: Named; readonly draft: Draft; readonly isPlan: boolean }
): ExitCode {
  const { terminal } = context
  if (!isPlan) replaceFile(file, before, next)
  if (printJson(context, { file, list: named.list, id: named.id, written: !isPlan, settings: named.entry.settings, lines: draft.lines })) return exitCode.done
  for (const line of tableLines(draft.lines)) terminal.note(line)
  if (isPlan) {
    const comments = { [`${named.list}.0`]: named.entry.comments }
    for (const line of draftText({ settings: { [named.list]: [named.entry.settings] }, comments })
      .trimEnd()
      .split('\n'))
      terminal.out(line)
    terminal.note('Nothing was changed. Without --plan this is added.')
    return exitCode.done
  }
  terminal.out(`${named.id} is in ${file} now, under ${named.list}.`)
  terminal.note(`Next:  curfew doctor --connection ${named.id}     then start the server again`)
  return exitCode.done
}
