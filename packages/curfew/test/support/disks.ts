import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Why tests with a disk of their own are left out; false: this process may mount one. */
export const noMounts: string | false = mayMount() ? false : 'only root may mount a disk: run it as root, on a Linux that lets it mount tmpfs and loop devices'

/** A file system that is there for one test. */
export interface Disk extends Disposable {
  readonly folder: string
}

/** A small disk in memory that can be filled up. */
export interface SmallDisk extends Disk {
  /** Somebody else's file grows until not one octet more finds room. */
  fill(): void
  /** That file is gone. */
  clear(): void
}

export function mountSmallDisk(megabytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder])
  const file = join(folder, 'somebody-else.log')
  return {
    folder,
    fill() {
      const handle = openSync(file, 'a')
      try {
        for (const size of [1024 * 1024, 4096, 1]) growBy(handle, Buffer.alloc(size, 1))
      } finally {
        closeSync(handle)
      }
    },
    clear: () => rmSync(file, { force: true }),
    [Symbol.dispose]: () => unmounted(folder)
  }
}

function growBy(handle: number, block: Buffer): void {
  try {
    while (writeSync(handle, block) > 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

/** A disk whose system may give it up, as it does when the device fails: what is open stays open, and nothing is written. */
export interface FailingDisk extends Disk {
  fail(): void
  /** Checked and mounted again, as an operator does it; nobody may have anything open on it. */
  repair(): void
}

export function mountFailingDisk(megabytes: number): FailingDisk {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-disk-'))
  const image = `${folder}.img`
  closeSync(openSync(image, 'w'))
  truncateSync(image, megabytes * 1024 * 1024)
  execFileSync('mkfs.ext4', ['-q', '-F', image])
  const mount = (): void => void execFileSync('mount', ['-o', 'loop', image, folder])
  mount()
  return {
    folder,
    fail: () => void execFileSync('mount', ['-o', 'remount,abort', folder]),
    repair() {
      execFileSync('umount', [folder])
      // 1: it put something right.
      execFileSync('sh', ['-c', 'e2fsck -p "$0" || [ $? -eq 1 ]', image], { stdio: 'ignore' })
      mount()
    },
    [Symbol.dispose]() {
      unmounted(folder)
      rmSync(image, { force: true })
    }
  }
}

function unmounted(folder: string): void {
  execFileSync('umount', ['--lazy', folder])
  rmSync(folder, { recursive: true, force: true })
}

function mayMount(): boolean {
  if (process.getuid?.() !== 0) return false
  try {
    mountSmallDisk(1)[Symbol.dispose]()
    mountFailingDisk(8)[Symbol.dispose]()
    return true
  } catch {
    return false
  }
}
