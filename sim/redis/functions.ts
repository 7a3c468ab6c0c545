import { createHash } from 'node:crypto'
import type { Reply } from '../../packages/curfew/src/stores/redis/link.ts'
import { type Data, isWrite, ServerError } from './data.ts'
import { compileLua } from './lua.ts'
import { luaLibrary, named } from './lua-library.ts'
import { LuaError, type LuaFunction, LuaTable, type LuaValue, piece } from './lua-value.ts'

/** One function of a library, as the server keeps it. */
interface Registered {
  readonly name: string
  readonly isReadOnly: boolean
  readonly callback: LuaFunction
}

export interface Library {
  readonly name: string
  readonly source: string
  readonly functions: ReadonlyMap<string, Registered>
}

/** The data a function works on, for the time of one call. */
interface Running {
  readonly data: Data
  readonly isReadOnly: boolean
  readonly written: (readonly string[])[]
  readonly server: ServerWords
}

/** What a function may ask the server itself. */
export interface ServerWords {
  time(): Reply
  info(section: string): string
}

let running: Running | undefined
let loading: Map<string, Registered> | undefined
/** Sources that were read before, ready to run. */
const compiled = new Map<string, () => unknown>()

/** Makes a library ready for one server: what it remembers between calls is that server's. @throws ServerError */
export function loadLibrary(source: string): Library {
  const [first = '', ...rest] = source.split('\n')
  const name = /^#!lua name=(\w+)$/.exec(first)?.[1]
  if (name === undefined) throw new ServerError('ERR Missing library metadata')
  // The first line stays as an empty one: errors name lines.
  const run = compiled.get(source) ?? compileLua(`\n${rest.join('\n')}`, globals)
  compiled.set(source, run)
  const functions = new Map<string, Registered>()
  loading = functions
  run()
  loading = undefined
  return { name, source, functions }
}

function register([given]: readonly LuaValue[]): readonly LuaValue[] {
  if (loading === undefined) throw new LuaError('redis.register_function works only while a library is loaded')
  if (!(given instanceof LuaTable)) throw new LuaError('register_function takes a table')
  const [name, callback, flags] = ['function_name', 'callback', 'flags'].map((key) => given.get(key))
  if (typeof name !== 'string' || typeof callback !== 'function') throw new LuaError('a function has a name and a callback')
  loading.set(name, { name, callback, isReadOnly: flags instanceof LuaTable && flags.list.includes('no-writes') })
  return []
}

/**
 * Runs a function on the data of a server, alone and to its end.
 *
 * @returns its answer, and the commands that a copy has to carry out
 * @throws LuaError for a fault of the function, which is one of the product or of the simulation: neither is an answer
 */
export function callFunction(
  data: Data,
  { name, callback, isReadOnly }: Registered,
  {
    keys,
    args,
    mayWrite,
    server
  }: { readonly keys: readonly string[]; readonly args: readonly string[]; readonly mayWrite: boolean; readonly server: ServerWords }
): { readonly reply: Reply; readonly written: readonly (readonly string[])[] } {
  if (!mayWrite && !isReadOnly) throw new ServerError('ERR Can not execute a script with write flag using *_ro command.')
  const written: (readonly string[])[] = []
  running = { data, isReadOnly, written, server }
  try {
    const [answer] = callback([LuaTable.of(keys), LuaTable.of(args)])
    return { reply: toReply(answer), written }
  } catch (error) {
    if (error instanceof LuaError) throw new LuaError(`${name} ${args.join(' ')}: ${error.message}`, { cause: error })
    throw error
  } finally {
    running = undefined
  }
}

const call: LuaFunction = (values) => {
  if (running === undefined) throw new LuaError('redis.call works only inside of a function')
  const { data, isReadOnly, written, server } = running
  const args = values.map(piece)
  if (args[0] === 'TIME') return [toLua(server.time())]
  if (args[0] === 'INFO') return [server.info(args[1] ?? '')]
  if (isWrite(args[0] ?? '')) {
    if (isReadOnly) throw new ServerError('ERR Write commands are not allowed from read-only scripts.')
    written.push(args)
  }
  return [toLua(data.run(args))]
}

const globals: ReadonlyMap<string, LuaValue> = new Map([
  ...luaLibrary(),
  ['redis', named({ call, register_function: register, sha1hex: ([text]) => [createHash('sha1').update(piece(text)).digest('hex')] })]
])

function toLua(reply: Reply): LuaValue {
  if (reply === null) return false
  if (typeof reply === 'string' || typeof reply === 'number') return reply
  return LuaTable.of(reply.map(toLua))
}

/** A list ends at its first hole, a number loses its fraction, as the server does it. */
function toReply(value: LuaValue): Reply {
  if (value === undefined || value === false) return null
  if (value === true) return 1
  if (typeof value === 'number') return Math.trunc(value)
  if (typeof value === 'string') return value
  if (!(value instanceof LuaTable)) throw new LuaError('a function has no answer')
  const end = value.list.indexOf(undefined)
  return (end < 0 ? value.list : value.list.slice(0, end)).map(toReply)
}
