import { isAbsolute, relative } from 'node:path'
import type { PeerView } from '../../admin/schemas.ts'
import { systemClock } from '../../platform/clock.ts'
import { connect } from '../connect.ts'
import { type CommandContext, configPath, printJson } from '../context.ts'
import { judgeExpiry } from '../doctor-certificate.ts'
import { type Check, dayMs, dayText } from '../doctor-check.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { surroundingsOf } from '../inspect-surroundings.ts'
import { certificatesInFiles, clientCertificates, type KnownCertificate } from '../own-certificates.ts'
import { certificatesOfPartner, certificatesOfPeer, unreadPartner } from '../partner-certificates.ts'
import { table } from '../table.ts'
import { loadOrReport } from './validate.ts'

/** A certificate, and what is to be thought of its dates. */
export type JudgedCertificate = KnownCertificate & Pick<Check, 'verdict' | 'why'> & { readonly days?: number }

/** `curfew certs list`: every certificate that this server works with, the one that ends first at the top. Changes nothing. */
export async function listCertificates(context: CommandContext): Promise<ExitCode> {
  const loaded = loadOrReport(context)
  if (loaded === undefined) return exitCode.configuration
  const nowMs = systemClock.nowMs()
  const surroundings = await surroundingsOf({ ...context, options: { ...context.options, config: configPath(context) } })
  const unread = [...(surroundings?.unread ?? [])]
  const running = unread.length === 0 ? [] : await runningPeers(context)
  const all = [
    ...certificatesInFiles(loaded.config),
    ...clientCertificates(loaded.config),
    ...(surroundings?.partners ?? []).flatMap((partner) => certificatesOfPartner(partner, nowMs)),
    ...unread.flatMap(([id, why]) => {
      const peer = running.find((one) => one.id === id)
      return peer === undefined ? [unreadPartner(id, why)] : certificatesOfPeer(peer, nowMs)
    })
  ]
  return report(context, all.map((one) => judged(one, nowMs)).toSorted(byEnd))
}

/** What a server that runs has read by the network; nothing where none answers. */
async function runningPeers(context: CommandContext): Promise<readonly PeerView[]> {
  try {
    return await connect(context).peers()
  } catch {
    return []
  }
}

export function judged(certificate: KnownCertificate, nowMs: number): JudgedCertificate {
  const { problem, notAfterMs } = certificate
  if (problem !== undefined) return { ...certificate, verdict: 'fail', why: problem }
  const { verdict, why } = judgeExpiry({ ...certificate, what: certificate.use }, nowMs)
  return { ...certificate, verdict, why, ...(notAfterMs === undefined ? {} : { days: Math.floor((notAfterMs - nowMs) / dayMs) }) }
}

/** What could not be read first, what has no end last. */
function byEnd(a: JudgedCertificate, b: JudgedCertificate): number {
  const place = ({ problem, notAfterMs = Number.MAX_SAFE_INTEGER }: JudgedCertificate): number => (problem === undefined ? notAfterMs : -1)
  return place(a) - place(b)
}

function report(context: CommandContext, all: readonly JudgedCertificate[]): ExitCode {
  const { terminal } = context
  const isUnread = all.some(({ problem }) => problem !== undefined)
  const watched = all.filter(({ verdict }) => verdict !== 'ok')
  if (
    !printJson(
      context,
      all.map(({ hasSuccessor: _, fix, ...one }) => ({ ...one, ...(one.verdict === 'ok' ? {} : { fix }) }))
    )
  ) {
    const [head = '', ...lines] = certificateTable(all)
    terminal.out(head)
    const styles = { ok: undefined, warn: 'yellow', fail: 'red' } as const
    for (const [i, line] of lines.entries()) {
      const style = styles[all[i]?.verdict ?? 'ok']
      terminal.out(style === undefined ? line : terminal.style(style, line))
    }
    for (const { whose, use, why, fix } of watched) {
      terminal.out(`\n${whose}, ${use}: ${why}`)
      terminal.out(`  ${fix}`)
    }
  }
  return isUnread ? exitCode.failed : watched.length > 0 ? exitCode.partial : exitCode.done
}

export function certificateTable(all: readonly JudgedCertificate[]): readonly string[] {
  const rows = all.map(({ verdict, notAfterMs, days, problem, whose, use, where }) => [
    verdict,
    problem === undefined ? (notAfterMs === undefined ? 'never' : dayText(notAfterMs)) : 'unknown',
    days === undefined ? '-' : days < 0 ? 'ended' : String(days),
    whose,
    use,
    shortPath(where)
  ])
  return table(
    [{ title: '' }, { title: 'ENDS' }, { title: 'DAYS' }, { title: 'WHOSE', charactersMax: 20 }, { title: 'USE' }, { title: 'WHERE', charactersMax: 200 }],
    rows
  )
}

/** A file below this folder as it would be written here. */
function shortPath(where: string): string {
  const short = isAbsolute(where) ? relative('.', where) : where
  return short === '' || short.startsWith('..') ? where : short
}
