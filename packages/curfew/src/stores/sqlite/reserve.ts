import { closeSync, fstatSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** Room that is kept for ending sessions when the disk is full. */
export const reserveBytes = 16 * 1024 * 1024

export interface Reserve {
  /** False while the reserve is given up: the disk is, or was a moment ago, full. */
  held(): boolean
  /** Gives the room back to the file system. */
  release(): void
  /** Takes the room again where the disk has twice as much; cheap when it has not. Returns whether it is held. */
  refill(): boolean
}

/** A file of {@link reserveBytes} beside the database. Its blocks are written, a hole would reserve nothing. */
export function openReserve(path: string): Reserve {
  let held = fill(path)
  return {
    held: () => held,
    release() {
      rmSync(path, { force: true })
      held = false
    },
    refill() {
      const { bavail, bsize } = statfsSync(dirname(path))
      if (!held && bavail * bsize >= 2 * reserveBytes) held = fill(path)
      return held
    }
  }
}

function fill(path: string): boolean {
  const handle = openSync(path, 'a', 0o600)
  try {
    const block = Buffer.alloc(1024 * 1024, 0xa5)
    for (let size = fstatSync(handle).size; size < reserveBytes; ) {
      size += writeSync(handle, block, 0, Math.min(block.length, reserveBytes - size))
    }
    return true
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT'))) throw error
    rmSync(path, { force: true })
    return false
  } finally {
    closeSync(handle)
  }
}
