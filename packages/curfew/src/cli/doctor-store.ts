import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { HealthView } from '../admin/schemas.ts'
import type { Config } from '../config/schema.ts'
import { openDatabase, prepare } from '../stores/sqlite/driver.ts'
import { reserveBytes } from '../stores/sqlite/reserve.ts'
import { toStoreError } from '../stores/sqlite/sqlite-error.ts'
import { clockText } from './clock-text.ts'
import { type Check, failedBy } from './doctor-check.ts'

const mebibyte = 1024 * 1024
/** Less room on the disk is warned of. */
const roomWarnBytes = 1024 * mebibyte
/** Twice the reserve for ends: a reserve that was given up is taken again only above it. */
const roomFailBytes = 2 * reserveBytes
/** The log is folded back long before; a larger one means that a reader holds on to an old state. */
const logWarnBytes = 256 * mebibyte
/** Clocks further apart are warned of, as in the log. */
const clockWarnMs = 1_000
/** Damaged places that are looked for before one stops. */
const damagesMax = 5

/**
 * The store as a running server tells it, or as its file shows while no server runs.
 * @param running - absent when no server answers; only then the file is opened
 */
export function storeChecks({ store }: Pick<Config, 'store'>, running: HealthView['store'] | undefined): readonly Check[] {
  const told = running === undefined ? [] : [runningCheck(running), ...judgeStoreClock(running.clockAheadMs)]
  if (store.kind === 'memory') {
    const fix = 'Take store.kind out of curfew.yaml.'
    return [...told, { what: 'store', verdict: 'warn', why: 'memory keeps nothing: a restart forgets who is signed in and what is owed', fix }]
  }
  if (!existsSync(store.file)) return [...told, ...(running === undefined ? [newFileCheck(store.file)] : [])]
  return [...told, ...(running === undefined ? [integrityCheck(store.file)] : []), roomCheck(store.file), logCheck(store.file, running !== undefined)]
}

function runningCheck({ kind, location, durability, pendingEffects, openRuns }: HealthView['store']): Check {
  return { what: 'store', verdict: 'ok', why: `${kind} at ${location}, durability ${durability}, ${openRuns} open runs, ${pendingEffects} effects waiting` }
}

/** Judges the clock of the node that was asked against the time of a store that several share. */
export function judgeStoreClock(aheadMs: number | undefined): readonly Check[] {
  if (aheadMs === undefined) return []
  const what = 'clock'
  if (Math.abs(aheadMs) <= clockWarnMs) return [{ what, verdict: 'ok', why: `${Math.abs(aheadMs)} ms from the time of the store` }]
  const why = `${clockText(aheadMs)}: partners may refuse its tokens, and it theirs (CURFEW_STORE_CLOCK_APART)`
  return [{ what, verdict: 'warn', why, fix: 'Set the clocks of all nodes and servers of the store by NTP.' }]
}

/** Before the first start there is only a place for it. */
function newFileCheck(file: string): Check {
  const what = 'store'
  try {
    let folder = dirname(file)
    while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder)
    accessSync(folder, constants.W_OK)
    return { what, verdict: 'ok', why: `${file} is not there yet: the first start makes it` }
  } catch {
    return { what, verdict: 'fail', why: `${file} is not there and can not be made`, fix: 'Make its folder writable for the user that runs curfew start.' }
  }
}

/** Opens the file for reading and looks through its pages. */
function integrityCheck(file: string): Check {
  const what = 'store'
  try {
    const db = openDatabase(file, { readOnly: true, timeout: 1_000 })
    try {
      const found = prepare<{ readonly quick_check: string }>(db, `PRAGMA quick_check(${damagesMax})`).all()
      const [first] = found.map((row) => row.quick_check)
      if (first === 'ok') return { what, verdict: 'ok', why: `${file} opens and is whole` }
      return { what, verdict: 'fail', why: `${file} is damaged: ${first ?? 'no answer'}`, fix: 'Stop, keep a copy of the file, and put a backup in its place.' }
    } finally {
      db.close()
    }
  } catch (error) {
    return failedBy(what, toStoreError(error, file), 'Check the path, and that this user may read it.')
  }
}

function roomCheck(file: string): Check {
  const { bavail, bsize } = statfsSync(dirname(file))
  return judgeRoom(bavail * bsize)
}

/** Judges what is left on the disk, in bytes. */
export function judgeRoom(bytes: number): Check {
  const what = 'disk'
  const why = `${sizeText(bytes)} free where the store is`
  if (bytes < roomFailBytes)
    return { what, verdict: 'fail', why: `${why}: when it is full, sign-ins are refused`, fix: 'Make room, or move store.file to a larger disk.' }
  if (bytes < roomWarnBytes) return { what, verdict: 'warn', why: `${why}; below ${sizeText(roomFailBytes)} this fails`, fix: 'Make room on it.' }
  return { what, verdict: 'ok', why }
}

function logCheck(file: string, isRunning: boolean): Check {
  return judgeLog(statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0, isRunning)
}

/** Judges the write-ahead log, in bytes. */
export function judgeLog(bytes: number, isRunning: boolean): Check {
  const what = 'write-ahead log'
  if (bytes > logWarnBytes)
    return {
      what,
      verdict: 'warn',
      why: `${sizeText(bytes)}: some program reads an old state, and the log grows until the disk is full`,
      fix: 'End what else reads the file, then restart the server.'
    }
  if (bytes === 0) return { what, verdict: 'ok', why: 'empty' }
  return { what, verdict: 'ok', why: isRunning ? sizeText(bytes) : `${sizeText(bytes)}, which the next start takes in` }
}

function sizeText(bytes: number): string {
  if (bytes >= 1024 * mebibyte) return `${(bytes / 1024 / mebibyte).toFixed(1)} GiB`
  return bytes >= mebibyte ? `${Math.round(bytes / mebibyte)} MiB` : `${Math.ceil(bytes / 1024)} KiB`
}
