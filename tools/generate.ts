import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildProgram } from '../packages/curfew/src/cli/main.ts'
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
    'Generated from the schema of `curfew.yaml`; `curfew init` writes the same schema beside it for editors.',
    '',
    '| setting | default | meaning |',
    '| --- | --- | --- |'
  ]
  const walk = (at: JsonSchema, path: string): void => {
    const inner = at.oneOf?.[0] ?? (at.properties === undefined && at.items === undefined ? undefined : at)
    if (inner?.properties !== undefined) {
      if (path !== '') lines.push(`| \`${path}\` | | ${at.description ?? inner.description ?? ''} |`)
      for (const [key, value] of Object.entries(inner.properties)) walk(value, path === '' ? key : `${path}.${key}`)
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

/** The reference of the command line, from its own help. */
function cliReference(): string {
  const program = buildProgram(async () => undefined)
  const lines = [
    '# Command line',
    '',
    'Generated from the commands themselves. Exit codes: 0 done, 1 failed, 2 done with warnings or partial, 3 not found, 4 needs confirmation or input, 5 not permitted, 64 usage, 69 server unreachable, 78 configuration or runtime version wrong.',
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

const schema = configJsonSchema()
const files: readonly (readonly [string, string])[] = [
  ['schema/config.schema.json', `${JSON.stringify(schema, null, 2)}\n`],
  ['docs/reference/config.md', configReference(schema as JsonSchema)],
  ['docs/reference/cli.md', cliReference()]
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
