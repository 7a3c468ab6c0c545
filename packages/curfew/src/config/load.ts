import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CurfewError } from '@curfew/codecs'
import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { extPathProblem } from '../core/ext-path.ts'
import { adapterProblems } from './adapter-problems.ts'
import { type BrandProblem, usableBrand } from './brand-problem.ts'
import { type Finding, sortedFindings } from './finding.ts'
import { absolutePaths, brandPaths, fullPath, gatewayPaths } from './full-paths.ts'
import { bindingProblems } from './logout-bindings.ts'
import { nearest } from './nearest.ts'
import { shippedKey } from './pingfederate/shipped-keys.ts'
import { type PresetOrigins, withPresets } from './presets.ts'
import { type Config, configSchema, type GatewayFileConfig, gatewayFileSchema } from './schema.ts'
import { lifetimeProblems } from './revocation-lifetime.ts'
import { sourceProblems } from './session-sources.ts'
import { resolveSecrets, type SecretOrigin } from './secrets.ts'
import { shownSetting } from './shown-setting.ts'
import { addressProblems } from './unused-addresses.ts'

/** A configuration that was read, checked and resolved: every path absolute. */
export interface LoadedConfig {
  readonly config: Config
  readonly file: string
  readonly document: Document
  readonly lines: LineCounter
  /** Values that came from the environment or from a file, by path. */
  readonly origins: ReadonlyMap<string, SecretOrigin>
  /** Values that came from the preset of a connection, by path. */
  readonly presets: PresetOrigins
}

export type LoadResult = { readonly ok: true; readonly loaded: LoadedConfig } | { readonly ok: false; readonly findings: readonly Finding[] }

export interface LoadOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Looks into the files that the brand names, for callers that show pages or speak of them. */
  readonly brandProblems?: (brand: Config['brand']) => readonly BrandProblem[]
}

/** Reads `curfew.yaml` (or JSON) and reports everything that is wrong with it at once. */
export function loadConfig(file: string, options: LoadOptions): LoadResult {
  if (!existsSync(file)) {
    return {
      ok: false,
      findings: [{ file, line: 1, column: 1, code: 'CURFEW_CONFIG_FILE', path: 'file', what: 'there is no such file.', fix: 'Make one with: curfew init' }]
    }
  }
  return parseConfig(readFileSync(file, 'utf8'), file, options)
}

/** The same for a text; relative paths resolve against the folder of `file`. */
export function parseConfig(text: string, file: string, options: LoadOptions): LoadResult {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const syntax = syntaxFindings({ file, document, lines })
  if (syntax.length > 0) return { ok: false, findings: syntax }
  const { value, origins, problems } = resolveSecrets(document.toJS() as unknown, { environment: options.environment, folder: dirname(resolve(file)) })
  const context: FindingContext = { file, document, lines, schema: configSchema, origins }
  const findings: Finding[] = problems.map(({ path, what, fix }) => ({ ...placeOf(context, path), code: 'CURFEW_CONFIG_SECRET', what, fix }))
  const preset = withPresets(value ?? {})
  const result = configSchema.safeParse(preset.value)
  if (!result.success) findings.push(...result.error.issues.flatMap((issue) => findingsOf(context, value, issue)))
  else findings.push(...duplicates(context, result.data))
  if (result.success)
    findings.push(
      ...extPaths(context, result.data),
      ...sources(context, result.data),
      ...certificatesMissing(context, result.data),
      ...nothingToLink(context, result.data),
      ...[...adapterProblems(result.data), ...bindingProblems(result.data), ...lifetimeProblems(result.data), ...addressProblems(result.data)].map(
        ({ path, what, fix }) => ({
          ...placeOf(context, path),
          code: 'CURFEW_CONFIG_VALUE' as const,
          what,
          fix
        })
      )
    )
  findings.push(...noSignOn(context, value), ...brandFindings(context, value, options))
  if (!result.success || findings.length > 0) return { ok: false, findings: sortedFindings(findings) }
  return { ok: true, loaded: { config: absolutePaths(result.data, dirname(resolve(file))), file, document, lines, origins, presets: preset.origins } }
}

/** The configuration of a gateway that runs alone, from its own file or from its part of a whole one. */
export type GatewayLoadResult =
  | { readonly ok: true; readonly config: GatewayFileConfig; readonly whole: Config | undefined }
  | { readonly ok: false; readonly findings: readonly Finding[] }

/** True for a file of a gateway alone: it has that section, and no authority. */
export function isGatewayFile(file: string): boolean {
  const document = parseDocument(existsSync(file) ? readFileSync(file, 'utf8') : '', { prettyErrors: false })
  return document.errors.length === 0 && document.hasIn(['gateway']) && !document.hasIn(['server'])
}

/** Reads what `curfew gateway` needs: a file with `gateway` and no authority in it, or a whole `curfew.yaml`. */
export function loadGatewayConfig(file: string, options: LoadOptions): GatewayLoadResult {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const syntax = syntaxFindings({ file, document, lines })
  if (syntax.length > 0) return { ok: false, findings: syntax }
  if (text === '' || document.hasIn(['server'])) return gatewayOfWhole(file, options)
  const { value, origins, problems } = resolveSecrets(document.toJS() as unknown, { environment: options.environment, folder: dirname(resolve(file)) })
  const context: FindingContext = { file, document, lines, schema: gatewayFileSchema, origins }
  const findings: Finding[] = problems.map(({ path, what, fix }) => ({ ...placeOf(context, path), code: 'CURFEW_CONFIG_SECRET', what, fix }))
  const result = gatewayFileSchema.safeParse(value ?? {})
  if (!result.success) findings.push(...result.error.issues.flatMap((issue) => findingsOf(context, value, issue)))
  for (const [path, what] of [
    [['gateway', 'provider', 'issuer'], 'Name the issuer of the OpenID provider.'],
    [['gateway', 'secretFile'], 'Name a file with at least 32 random bytes as base64.']
  ] as const)
    if (at(value, path) === undefined) findings.push({ ...placeOf(context, path), code: 'CURFEW_CONFIG_MISSING', what: missing, fix: what })
  findings.push(...brandFindings(context, value, options))
  if (!result.success || findings.length > 0) return { ok: false, findings: sortedFindings(findings) }
  const full = fullPath(dirname(resolve(file)))
  const { brand } = result.data
  return { ok: true, whole: undefined, config: { ...result.data, gateway: gatewayPaths(result.data.gateway, full), brand: brandPaths(brand, full) } }
}

function gatewayOfWhole(file: string, options: LoadOptions): GatewayLoadResult {
  const whole = loadConfig(file, options)
  if (!whole.ok) return whole
  const { config, document, lines, origins } = whole.loaded
  if (config.gateway === undefined) {
    const place = placeOf({ file, document, lines, schema: configSchema, origins }, ['gateway'])
    return { ok: false, findings: [{ ...place, code: 'CURFEW_CONFIG_MISSING', what: missing, fix: 'Describe the gateway here.' }] }
  }
  const { gateway, outbound, brand, logging } = config
  return { ok: true, whole: config, config: { gateway, outbound, brand, logging } }
}

/** @throws CURFEW_CONFIG_INVALID with the number of findings; for callers that can't show them */
export function requireConfig(file: string, options: LoadOptions): LoadedConfig {
  const result = loadConfig(file, options)
  if (!result.ok) throw new CurfewError('CURFEW_CONFIG_INVALID', { file, findings: result.findings.length })
  return result.loaded
}

interface FindingContext {
  readonly file: string
  readonly document: Document
  readonly lines: LineCounter
  readonly schema: unknown
  /** What came out of the environment or a file is not repeated. */
  readonly origins: ReadonlyMap<string, SecretOrigin>
}

function syntaxFindings({ file, document, lines }: Pick<FindingContext, 'file' | 'document' | 'lines'>): readonly Finding[] {
  return document.errors.map((error) => {
    const { line, col } = lines.linePos(error.pos[0])
    const what = `this is not well-formed YAML: ${error.message}`
    return { file, line, column: col, code: 'CURFEW_CONFIG_SYNTAX', path: 'file', what, fix: 'Check indentation, colons and quotes here.' }
  })
}

type Path = readonly (string | number)[]

function findingsOf(context: FindingContext, value: unknown, issue: z.core.$ZodIssue): readonly Finding[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  const got = at(value, path)
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(context, [...path, key], key, knownKeys(context.schema, path)))
    case 'invalid_type': {
      const wanted = kindWords[issue.expected] ?? `a ${issue.expected}`
      if (got === undefined) return [{ ...placeOf(context, path), code: 'CURFEW_CONFIG_MISSING', what: missing, fix: `Write ${wanted} here.` }]
      return [
        {
          ...placeOf(context, path),
          code: 'CURFEW_CONFIG_TYPE',
          what: `${shownSetting(got, path, context.origins)} is not ${wanted}.`,
          fix: `Write ${wanted}.`
        }
      ]
    }
    case 'too_small':
    case 'too_big':
      return [
        { ...placeOf(context, path), code: 'CURFEW_CONFIG_VALUE', what: `${shownSetting(got, path, context.origins)} can not be used.`, fix: boundWords(issue) }
      ]
    case 'invalid_value':
      return [unknownValue(context, path, got, issue.values.map(String))]
    case 'invalid_union':
      return [unionFinding(context, path, got, issue)]
    case 'custom':
      if (issue.params?.['code'] === 'CURFEW_CONFIG_HOSTNAME_UNVERIFIED') {
        const what = 'anybody with a certificate could answer in the place of the provider.'
        return [{ ...placeOf(context, path), code: 'CURFEW_CONFIG_HOSTNAME_UNVERIFIED', what, fix: `${capital(issue.message)}.` }]
      }
      return [
        {
          ...placeOf(context, path),
          code: 'CURFEW_CONFIG_VALUE',
          what: `${shownSetting(got, path, context.origins)} can not be used.`,
          fix: `${capital(issue.message)}.`
        }
      ]
    case 'invalid_element':
    case 'invalid_format':
    case 'invalid_key':
    case 'not_multiple_of':
      return [
        {
          ...placeOf(context, path),
          code: 'CURFEW_CONFIG_VALUE',
          what: `${shownSetting(got, path, context.origins)} can not be used.`,
          fix: `${capital(issue.message)}.`
        }
      ]
  }
}

const missing = 'this is needed and not there.'

const kindWords: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a section with settings of its own',
  record: 'a section with settings of its own'
}

function boundWords(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const bound = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`
  if (issue.origin === 'string') return `Write ${bound} characters.`
  return issue.origin === 'array' ? `Write a list of ${bound}.` : `Write ${bound}.`
}

function article(name: string): string {
  return /^[aeiou]/i.test(name) ? 'an' : 'a'
}

function unionFinding(context: FindingContext, path: Path, got: unknown, issue: z.core.$ZodIssueInvalidUnion): Finding {
  if (issue.discriminator !== undefined) {
    const choices = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : ['saml']
    const value = at(got, [issue.discriminator])
    const full = path.at(-1) === issue.discriminator ? path : [...path, issue.discriminator]
    return unknownValue(context, full, path.at(-1) === issue.discriminator ? got : value, choices)
  }
  if (got === undefined) return { ...placeOf(context, path), code: 'CURFEW_CONFIG_MISSING', what: missing, fix: 'Write a value here.' }
  const advice = issue.message === 'Invalid input' ? (issue.errors.flat().at(-1)?.message ?? issue.message) : issue.message
  return {
    ...placeOf(context, path),
    code: 'CURFEW_CONFIG_VALUE',
    what: `${shownSetting(got, path, context.origins)} can not be used.`,
    fix: `${capital(advice)}.`
  }
}

function unknownKey(context: FindingContext, path: Path, key: string, known: readonly string[]): Finding {
  const meant = nearest(key, known)
  const replaced = shippedKey(key)
  if (replaced !== undefined && replaced.file !== 'cluster-config-replication.conf') {
    const fix = replaced.setting === undefined ? `Leave it out: ${replaced.note}.` : `Write \`${replaced.setting}\`: ${replaced.note}.`
    return { ...placeOf(context, path, 'key'), code: 'CURFEW_CONFIG_UNKNOWN_KEY', what: `\`${key}\` is a key of PingFederate (${replaced.file}).`, fix }
  }
  const fix = meant === undefined ? `Use one of: ${known.join(', ')}.` : `Did you mean \`${meant}\`?`
  return { ...placeOf(context, path, 'key'), code: 'CURFEW_CONFIG_UNKNOWN_KEY', what: `\`${key}\` is not a key here.`, fix }
}

function unknownValue(context: FindingContext, path: Path, got: unknown, choices: readonly string[]): Finding {
  const meant = typeof got === 'string' ? nearest(got, choices) : undefined
  const hint = meant === undefined ? '' : `   (did you mean "${meant}"?)`
  const name = String(path.at(-1) ?? 'value')
  const what = got === undefined ? missing : `${shownSetting(got, path, context.origins)} is not ${article(name)} ${name}.`
  return {
    ...placeOf(context, path),
    code: got === undefined ? 'CURFEW_CONFIG_MISSING' : 'CURFEW_CONFIG_UNKNOWN_VALUE',
    what,
    fix: `Use one of: ${choices.join(', ')}.${hint}`
  }
}

/** Keys that the schema has at a path, read from the JSON Schema so that it stays right by itself. */
function knownKeys(schema: unknown, path: Path): readonly string[] {
  let shape: unknown = schema
  for (const part of path) {
    shape = inner(shape)
    shape = typeof part === 'number' ? (shape as { element?: unknown }).element : shapeOf(shape)[String(part)]
  }
  return Object.keys(shapeOf(inner(shape)))
}

/** Strips defaults and optional marks off a schema. */
function inner(schema: unknown): unknown {
  const definition = (schema as { def?: { innerType?: unknown; options?: readonly unknown[] } } | undefined)?.def
  if (definition?.innerType !== undefined) return inner(definition.innerType)
  return schema
}

/** Keys with their schemas; of a union those of every member, because which one was meant may be what is wrong. */
function shapeOf(schema: unknown): Readonly<Record<string, unknown>> {
  const options = (schema as { def?: { options?: readonly unknown[] } } | undefined)?.def?.options
  if (options !== undefined) return Object.assign({}, ...options.map((option) => shapeOf(inner(option)))) as Readonly<Record<string, unknown>>
  return (schema as { shape?: Readonly<Record<string, unknown>> } | undefined)?.shape ?? {}
}

/** Ids that stand twice, over applications, identity providers and directories alike: user keys begin with the latter two. */
function duplicates(context: FindingContext, config: Config): readonly Finding[] {
  const seen = new Set<string>()
  const named = [
    ...(['connections', 'identityProviders'] as const).flatMap((list) => config[list].map(({ id }, i) => ({ at: [list, i, 'id'], id }))),
    ...config.signOn.directories.map(({ id }, i) => ({ at: ['signOn', 'directories', i, 'id'], id }))
  ]
  return named.flatMap(({ at: place, id }): Finding[] => {
    const isKnown = seen.has(id)
    seen.add(id)
    const code = 'CURFEW_CONFIG_DUPLICATE'
    if (place[0] === 'signOn' && id === 'local')
      return [{ ...placeOf(context, place), code, what: '"local" is the users file.', fix: 'Give the directory another id.' }]
    if (!isKnown) return []
    return [{ ...placeOf(context, place), code, what: `"${id}" names two connections.`, fix: 'Give each connection an id of its own.' }]
  })
}

/** Paths under /ext that are held by another adapter or stand twice. */
function extPaths(context: FindingContext, { signOn, identityProviders }: Config): readonly Finding[] {
  const owners = new Map<string, string>()
  const logins = identityProviders.flatMap((one, i) =>
    one.protocol === 'opentoken' ? [{ at: ['identityProviders', i], owner: one.id, path: one.adapterLogout?.path }] : []
  )
  return [{ at: ['signOn'], owner: signOn.sourceId, path: signOn.adapterLogout?.path }, ...logins].flatMap(({ at: base, owner, path }): Finding[] => {
    if (path === undefined) return []
    const why = extPathProblem({ path, owner }, owners)
    owners.set(path, owner)
    if (why === undefined) return []
    const place = placeOf(context, [...base, 'adapterLogout', 'path'])
    return [{ ...place, code: 'CURFEW_CONFIG_EXT_PATH', what: `/ext${path} can not be had: ${why}.`, fix: 'Give this adapter a path of its own.' }]
  })
}

/** Clients that would have to show a certificate where nobody asks for one, or nobody vouches for it. */
function certificatesMissing(context: FindingContext, { server, connections }: Config): readonly Finding[] {
  const { clientCertificates: asked } = server
  const isAsked = asked !== undefined && (asked.listen.length > 0 || asked.header !== undefined)
  return connections.flatMap((one, i): Finding[] => {
    if (one.protocol !== 'oidc') return []
    const byAuthority = one.authentication === 'tlsClientAuth'
    if (!byAuthority && one.authentication !== 'selfSignedTlsClientAuth' && one.certificateBoundAccessTokens !== true) return []
    const place = placeOf(context, ['connections', i, one.authentication === undefined ? 'certificateBoundAccessTokens' : 'authentication'])
    const code = 'CURFEW_CONFIG_VALUE'
    if (!isAsked)
      return [{ ...place, code, what: 'no certificate is ever asked for here.', fix: 'Set server.clientCertificates.listen, or header behind a proxy.' }]
    if (byAuthority && asked.authorities === undefined)
      return [{ ...place, code, what: 'nobody vouches for certificates of clients.', fix: 'Set server.clientCertificates.authorities.' }]
    return []
  })
}

/** Linking needs local users: the password of one is what makes a link. */
function nothingToLink(context: FindingContext, { signOn, identityProviders }: Config): readonly Finding[] {
  if (signOn.users !== undefined) return []
  return identityProviders.flatMap((one, i): Finding[] => {
    if (one.accountLinking === undefined || one.accountLinking === 'off') return []
    const place = placeOf(context, ['identityProviders', i, 'accountLinking'])
    return [{ ...place, code: 'CURFEW_CONFIG_VALUE', what: 'there are no local users to link to.', fix: 'Name their file in signOn.users.' }]
  })
}

/** What single authentication sources are given. */
function sources(context: FindingContext, config: Config): readonly Finding[] {
  return sourceProblems(config).map(({ path, kind, what, fix }) =>
    kind === 'unknown'
      ? { ...placeOf(context, path, 'key'), code: 'CURFEW_CONFIG_UNKNOWN_KEY', what, fix }
      : { ...placeOf(context, path), code: 'CURFEW_CONFIG_VALUE', what, fix }
  )
}

/** What the files of the brand hold; of a brand with findings of its own what is left of it. */
function brandFindings(context: FindingContext, value: unknown, { brandProblems }: LoadOptions): readonly Finding[] {
  const brand = brandProblems === undefined ? undefined : usableBrand(at(value, ['brand']))
  if (brandProblems === undefined || brand === undefined) return []
  return brandProblems(brandPaths(brand, fullPath(dirname(resolve(context.file))))).map(({ path, place, ...problem }) => ({
    ...(place ?? placeOf(context, ['brand', ...path])),
    ...problem
  }))
}

/** Without a form and without an identity provider nobody could sign in. */
function noSignOn(context: FindingContext, value: unknown): readonly Finding[] {
  const hasSome = (list: unknown): boolean => Array.isArray(list) && list.length > 0
  if (at(value, ['signOn', 'users']) !== undefined || hasSome(at(value, ['identityProviders'])) || hasSome(at(value, ['signOn', 'directories']))) return []
  const fix = 'Name the file of local users here, a directory in signOn.directories, or an identity provider in identityProviders.'
  return [{ ...placeOf(context, ['signOn', 'users']), code: 'CURFEW_CONFIG_MISSING', what: 'there is no way to sign in.', fix }]
}

function placeOf(
  context: FindingContext,
  path: Path,
  at: 'value' | 'key' = 'value'
): { readonly file: string; readonly line: number; readonly column: number; readonly path: string } {
  const { line, col } = positionOf(context, path, at)
  return { file: context.file, line, column: col, path: pathText(context, path) }
}

function positionOf({ document, lines }: FindingContext, path: Path, at: 'value' | 'key'): { readonly line: number; readonly col: number } {
  for (let length = path.length; length >= 0; length--) {
    const offset = offsetOf(document, path.slice(0, length), at)
    if (offset !== undefined) return lines.linePos(offset)
  }
  return { line: 1, col: 1 }
}

/** Offset of a value, or of its key when the value itself has none. */
function offsetOf(document: Document, path: Path, at: 'value' | 'key'): number | undefined {
  const parent = path.length === 0 ? undefined : document.getIn(path.slice(0, -1), true)
  if (isMap(parent)) {
    const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(path.at(-1)))
    const value = pair?.value as { range?: readonly number[] | null } | null | undefined
    const isPlain = at === 'value' && isScalar(pair?.value)
    const key = pair?.key as { range?: readonly number[] | null } | undefined
    return (isPlain ? value?.range?.[0] : key?.range?.[0]) ?? key?.range?.[0]
  }
  if (isSeq(parent)) return (parent.items[Number(path.at(-1))] as { range?: readonly number[] | null } | undefined)?.range?.[0]
  return path.length === 0 ? 0 : undefined
}

/** `connections[payroll].slo[0].binding`: connections are named by their id where they have one. */
function pathText({ document }: FindingContext, path: Path): string {
  let text = ''
  path.forEach((part, i) => {
    if (typeof part !== 'number') text += text === '' ? part : `.${part}`
    else {
      const own = document.getIn([...path.slice(0, i + 1), 'id'])
      text += `[${typeof own === 'string' ? own : part}]`
    }
  })
  return text === '' ? 'file' : text
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (current, part) => (typeof current === 'object' && current !== null ? (current as Record<string | number, unknown>)[part] : undefined),
    value
  )
}

function capital(text: string): string {
  const isName = /^[a-z]+[A-Z]/.test(text)
  return (isName ? text.slice(0, 1) : text.slice(0, 1).toUpperCase()) + text.slice(1).replace(/\.$/, '')
}
