import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { attackClasses } from '../attacks/classes/index.ts'
import { indexPage } from '../attacks/index-page.ts'
import { createGatewayMetrics } from '../packages/curfew/src/platform/gateway-metrics.ts'
import { createLinkFigures } from '../packages/curfew/src/platform/link-metrics.ts'
import { createMetrics } from '../packages/curfew/src/platform/metrics.ts'
import { createReplicationMetrics } from '../packages/curfew/src/platform/replication-metrics.ts'
import en from '../packages/curfew/src/locales/en.json' with { type: 'json' }
import { eventReference } from './events.ts'
import { buildProgram } from '../packages/curfew/src/cli/main.ts'
import { presetNames, presets } from '../packages/curfew/src/config/presets.ts'
import { configJsonSchema } from '../packages/curfew/src/config/schema.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

interface JsonSchema {
  readonly description?: string
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly oneOf?: readonly JsonSchema[]
  readonly anyOf?: readonly JsonSchema[]
  readonly const?: unknown
}

/** The reference of the configuration, one line per setting. */
function configReference(schema: JsonSchema): string {
  const lines = [
    '# Configuration',
    '',
    'Generated from the schema of `curfew.yaml`; `curfew init` writes the same schema beside it for editors. `connections[saml]` is an entry of `connections` with `protocol: saml`.',
    '',
    '| setting | default | meaning |',
    '| --- | --- | --- |'
  ]
  const walk = (at: JsonSchema, path: string): void => {
    if (at.const !== undefined) return
    if (at.oneOf !== undefined) {
      for (const kind of at.oneOf) walk(kind, kindPath(path, kind))
      return
    }
    if (at.properties !== undefined) {
      if (path !== '') lines.push(`| \`${path}\` | | ${at.description ?? ''} |`)
      for (const [key, value] of Object.entries(at.properties)) walk(value, path === '' ? key : `${path}.${key}`)
      return
    }
    const item = at.items
    const isList = item?.properties !== undefined || item?.oneOf !== undefined
    const fallback = at.default === undefined || isList ? '' : `\`${JSON.stringify(at.default)}\``
    const choices = at.enum === undefined ? '' : ` One of ${at.enum.map((choice) => `\`${String(choice)}\``).join(', ')}.`
    lines.push(`| \`${path}${at.type === 'array' ? '[]' : ''}\` | ${fallback} | ${(at.description ?? '').replaceAll('|', '\\|')}${choices} |`)
    if (isList && item !== undefined) walk(item, `${path}[]`)
  }
  walk(schema, '')
  return `${lines.join('\n')}\n`
}

/** `connections[saml]`: entries of one kind of several, by what tells it from the others. */
function kindPath(path: string, { properties }: JsonSchema): string {
  const name = Object.values(properties ?? {}).find(({ const: fixed }) => fixed !== undefined)?.const
  if (typeof name !== 'string' || !path.endsWith('[]')) throw new TypeError(`${path}: kinds without a name`)
  return `${path.slice(0, -1)}${name}]`
}

/** The reference of the command line, from its own help. */
function cliReference(): string {
  const program = buildProgram(async () => undefined)
  const lines = [
    '# Command line',
    '',
    'Generated from the commands themselves. Exit codes: 0 done, 1 failed, 2 done with warnings or partial, 3 not found, 4 needs confirmation or input, 5 not permitted, 64 usage, 69 server unreachable, 70 a fault of the program itself, 78 configuration or runtime version wrong.',
    '',
    'Lists show fifty lines to a person. With `--json` they are one array of everything, with `--ndjson` one line for each entry; with `--limit` or `--cursor` a program gets that one page as the API gives it: `items` and, where there is more, `nextCursor` (with `--ndjson` a last line with `nextCursor` alone). Results go to standard output, everything else to standard error.',
    '',
    '`--server` needs a token that belongs there: `--token-file`, else `CURFEW_ADMIN_TOKEN`. The token of a configuration is sent to the admin addresses of that configuration alone.',
    ''
  ]
  const walk = (command: typeof program, path: string): void => {
    const usage = command.registeredArguments.map((argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`)).join(' ')
    if (command.commands.length === 0) {
      lines.push(`## \`${`${path} ${usage}`.trim()}\``, '', `${command.description()}.`, '')
      for (const option of command.options)
        lines.push(
          `- \`${option.flags}\` ${option.description}${option.defaultValue === undefined || (Array.isArray(option.defaultValue) && option.defaultValue.length === 0) ? '' : ` (default \`${String(option.defaultValue)}\`)`}`
        )
      if (command.options.length > 0) lines.push('')
    }
    for (const inner of command.commands) walk(inner as typeof program, `${path} ${inner.name()}`)
  }
  lines.push('## Options of every command', '', ...program.options.map((option) => `- \`${option.flags}\` ${option.description}`), '')
  walk(program, 'curfew')
  return `${lines.join('\n').trimEnd()}\n`
}

/** What each preset sets, and why. */
function presetReference(): string {
  const lines = [
    '# Presets of SAML connections',
    '',
    'Generated from the table that the presets are. `preset: adfs` on a connection or identity provider fills settings that are not written there; what is written wins, setting by setting. `curfew config show --origin` names the preset beside each setting that came from it.',
    '',
    'SharePoint itself speaks WS-Federation, which Curfew does not; its preset is for a SAML 2.0 connector in front of it. Entra ID signs no LogoutResponse, so its sign-outs stay `unconfirmed`: an unsigned answer is never taken for one. The presets are written from documentation and reports, and were not tried against installations of these products, except SimpleSAMLphp and where [the peers tried](../interop.md) say so.',
    ''
  ]
  for (const name of presetNames) {
    lines.push(`## \`${name}\``, '', '| as | sets | why | source |', '| --- | --- | --- | --- |')
    for (const { role, settings, why, source } of presets[name]) {
      const as = role === 'application' ? 'application' : role === 'identityProvider' ? 'identity provider' : 'both'
      const sets = Object.entries(settings).map(([key, value]) => `\`${key}: ${shownSetting(value)}\``)
      lines.push(`| ${as} | ${sets.join(', ')} | ${why} | ${source} |`)
    }
    lines.push('')
  }
  return `${lines.join('\n').trimEnd()}\n`
}

function shownSetting(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  return `{ ${Object.entries(value)
    .map(([key, inner]) => `${key}: ${String(inner)}`)
    .join(', ')} }`
}

/** Every text of the pages with the key under which it is replaced. */
function textReference(): string {
  const rows = Object.entries(en).map(([key, text]) => `| \`${key}\` | ${text.replaceAll('|', '\\|')} |`)
  const intro =
    'Generated from the English file. A file `<language>.json` in the folder `brand.messages` takes the place of the texts that it names ([how](../how-to/brand.md)); the others stay. They are ICU messages: names in braces are filled in.'
  return `${['# Texts of the pages', '', intro, '', '| key | text in English |', '| --- | --- |', ...rows].join('\n')}\n`
}

/** Every figure for Prometheus. */
function metricReference(): string {
  const { registry } = createMetrics()
  createLinkFigures(registry)
  createReplicationMetrics(registry, () => 0)
  createGatewayMetrics(registry, { sharesEndings: true })
  const rows = registry
    .getMetricsAsArray()
    .map((metric) => metric as unknown as { readonly name: string; readonly help: string; readonly type: string; readonly labelNames?: readonly string[] })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, help, type, labelNames = [] }) => `| \`${name}\` | ${type} | ${labelNames.map((label) => `\`${label}\``).join(', ')} | ${help} |`)
  const intro =
    'Generated from the figures themselves. They are at `/metrics` of the admin address, and of `gateway.metricsListen` where a gateway runs alone; those of groups and of a gateway appear where there are any. No figure names a person.'
  return `${['# Metrics', '', intro, '', '| name | kind | labels | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n')}\n`
}

const schema = configJsonSchema()
const files: readonly (readonly [string, string])[] = [
  ['schema/config.schema.json', `${JSON.stringify(schema, null, 2)}\n`],
  ['docs/reference/config.md', configReference(schema as JsonSchema)],
  ['docs/reference/cli.md', cliReference()],
  ['docs/reference/presets.md', presetReference()],
  ['docs/reference/texts.md', textReference()],
  ['docs/reference/metrics.md', metricReference()],
  ['docs/reference/events.md', eventReference(join(root, 'packages/curfew/src'))],
  ['attacks/README.md', indexPage(attackClasses, (path) => readFileSync(join(root, path), 'utf8'))]
]

const isCheck = process.argv.includes('--check')
const different = files.filter(([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text)
if (isCheck) {
  for (const [path] of different) console.error(`${path} differs from its source; run: node tools/generate.ts`)
  process.exitCode = different.length === 0 ? 0 : 1
} else {
  for (const [path, text] of different) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
    console.log(`written: ${path}`)
  }
}
