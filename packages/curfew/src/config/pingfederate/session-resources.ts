import { CurfewError } from '@curfew/codecs'
import type { ImportLine, ShippedFile } from './imported.ts'
import { fieldOf, type JsonObject, type JsonTree, readJson } from '../imports/json-tree.ts'

/** A resource of the admin API of the replaced product that is about sessions. */
export interface SessionResource {
  readonly kind: ResourceKind
  readonly path: string
  readonly tree: JsonObject
}

/** `source`: the policy of one authentication source. */
export type ResourceKind = 'global' | 'settings' | 'application' | 'source'

const kinds: ReadonlyMap<string, ResourceKind> = new Map([
  ['/session/authenticationSessionPolicies/global', 'global'],
  ['/session/authenticationSessionPolicies', 'source'],
  ['/session/settings', 'settings'],
  ['/session/applicationSessionPolicy', 'application']
])

export interface FoundResources {
  readonly resources: readonly SessionResource[]
  /** What else stands in a bulk export. */
  readonly lines: readonly ImportLine[]
}

/**
 * What is about sessions in an answer of the admin API, or in a bulk export.
 * @throws CURFEW_IMPORT_JSON when the file is neither
 */
export function sessionResources({ path, text }: ShippedFile): FoundResources {
  const tree = readJson(path, text)
  if (fieldOf(tree, 'operations')?.kind === 'list') return ofBulkExport(path, tree)
  const items = fieldOf(tree, 'items')
  const answered = items?.kind === 'list' ? items.items : [tree]
  const resources = answered.map((one): SessionResource => {
    const kind = kindOf(one)
    if (one.kind !== 'object' || kind === undefined || (items !== undefined && kind !== 'source')) throw foreign(path)
    return { kind, path, tree: one }
  })
  return { resources, lines: [] }
}

function kindOf(tree: JsonTree): ResourceKind | undefined {
  const has = (name: string): boolean => fieldOf(tree, name) !== undefined
  if (has('authenticationSource')) return 'source'
  if (has('enableSessions')) return 'global'
  if (has('trackAdapterSessionsForLogout') || has('revokeUserSessionOnLogout') || has('sessionRevocationLifetime')) return 'settings'
  return has('idleTimeoutMins') || has('maxTimeoutMins') ? 'application' : undefined
}

function foreign(file: string): CurfewError {
  return new CurfewError('CURFEW_IMPORT_JSON', { file, why: 'it is neither an answer of /session/... of the admin API nor a bulk export' })
}

function ofBulkExport(path: string, tree: JsonTree): FoundResources {
  const resources: SessionResource[] = []
  const lines: ImportLine[] = []
  const say = (line: number, key: string, value: string, rest: Pick<ImportLine, 'fate' | 'note'>): void => void lines.push({ path, line, key, value, ...rest })
  for (const field of tree.kind === 'object' ? tree.fields : [])
    if (field.name !== 'operations') say(field.line, field.name, '', field.name === 'metadata' ? notAboutSessions : undocumented)
  const operations = fieldOf(tree, 'operations')
  for (const operation of operations?.kind === 'list' ? operations.items : []) {
    const type = textOf(fieldOf(operation, 'resourceType'))
    const does = textOf(fieldOf(operation, 'operationType'))
    const items = fieldOf(operation, 'items')
    const kind = kinds.get(type)
    const key = [type, textOf(fieldOf(operation, 'subResource'))].filter((part) => part !== '').join(' ')
    if (kind === undefined) say(operation.line, key, does, type.startsWith('/session/') || type === '' ? undocumented : notAboutSessions)
    else if (does !== '' && does !== 'SAVE') say(operation.line, key, does, { fate: 'unused', note: 'only what is saved counts' })
    else if (items?.kind !== 'list') say(operation.line, key, does, { fate: 'unreadable', note: 'it has no items' })
    else
      for (const item of items.items)
        if (item.kind === 'object') resources.push({ kind, path, tree: item })
        else say(item.line, key, does, { fate: 'unreadable', note: 'it is no object' })
  }
  return { resources, lines }
}

const notAboutSessions = { fate: 'elsewhere', note: 'not about sessions' } as const
const undocumented = { fate: 'unknown', note: 'not documented: find out what it did before you switch over' } as const

function textOf(tree: JsonTree | undefined): string {
  return tree?.kind === 'scalar' && typeof tree.value === 'string' ? tree.value.replaceAll(/\p{Cc}/gu, ' ') : ''
}
