import { once } from 'node:events'
import type { Application } from './application.ts'
import { type GuardedApplication, startBoard } from './board/app.ts'
import { startChat } from './chat/app.ts'
import { createControl } from './control.ts'
import { startIntranet } from './intranet/app.ts'
import { startDevice } from './device/app.ts'
import { startForms } from './forms/app.ts'
import { createJournal } from './journal.ts'
import type { Fault } from './legacy/fault.ts'
import { startLegacy } from './legacy/app.ts'
import { closeServer, loopbackHosts } from './listen.ts'
import { startPayroll } from './payroll/app.ts'
import { startTimesheet } from './timesheet/app.ts'
import { startWiki } from './wiki/app.ts'

export interface DemoOptions {
  /**
   * Payroll listens here, the board itself one above, intranet two, legacy three, wiki four, chat five, forms six, device
   * seven, the gateway in front of the board eight, the control desk nine, timesheet ten above.
   */
  readonly basePort: number
  readonly identityProviderMetadata: Uint8Array
  /** The same with the logout address of PingOne for Enterprise. */
  readonly pingOneMetadata: Uint8Array
  /** Address of the authority. */
  readonly issuer: string
  /** Key and certificate of one application, made or loaded. */
  readonly credentials: (id: string) => Promise<{ readonly keyPem: string; readonly certificatePem: string }>
  /** Secret of one OpenID client, or password of an application by OpenToken, made or loaded. */
  readonly clientSecret: (id: string) => string
  readonly legacyFault?: Fault
}

export interface DemoApplications {
  readonly applications: readonly Application[]
  /** The one behind the gateway. It takes part in nothing by itself. */
  readonly board: GuardedApplication
  readonly controlUrl: string
  /** Addresses that the applications listen at: both loopback addresses, or the one that this machine has. */
  readonly hosts: readonly string[]
  close(): Promise<void>
}

/** Starts the demo applications on loopback: all, or none when a port is taken. */
export async function startDemoApplications(options: DemoOptions): Promise<DemoApplications> {
  const { basePort, identityProviderMetadata } = options
  const place = (id: string, offset: number) => ({ baseUrl: `http://${id}.localhost:${basePort + offset}`, port: basePort + offset, journal: createJournal() })
  const common = async (id: string, offset: number) => ({ ...place(id, offset), identityProviderMetadata, ...(await options.credentials(id)) })
  const client = (id: string, offset: number) => ({ ...place(id, offset), issuer: options.issuer, clientSecret: options.clientSecret(id) })
  const applications: Application[] = []
  const guarded: GuardedApplication[] = []
  const close = async (): Promise<void> => {
    await Promise.all([...[...applications, ...guarded].flatMap((app) => app.servers), control].map(closeServer))
  }
  const control = createControl(applications)
  try {
    const [payroll, intranet, legacy, timesheet] = await Promise.all([
      common('payroll', 0),
      common('intranet', 2),
      common('legacy', 3),
      common('timesheet', 10)
    ])
    applications.push(await startPayroll(payroll))
    applications.push(await startIntranet(intranet))
    applications.push(await startLegacy({ ...legacy, ...(options.legacyFault === undefined ? {} : { fault: options.legacyFault }) }))
    applications.push(await startWiki(client('wiki', 4)))
    applications.push(await startChat(client('chat', 5)))
    applications.push(await startForms(client('forms', 6)))
    applications.push(await startDevice(client('device', 7)))
    applications.push(await startTimesheet({ ...timesheet, identityProviderMetadata: options.pingOneMetadata, issuer: options.issuer }))
    guarded.push(await startBoard({ ...client('board', 8), port: basePort + 1 }))
    control.listen(basePort + 9, '127.0.0.1')
    await once(control, 'listening')
  } catch (error) {
    await close()
    throw error
  }
  const [board] = guarded
  if (board === undefined) throw new TypeError('the board was started')
  return {
    applications,
    board,
    controlUrl: `http://127.0.0.1:${basePort + 9}`,
    hosts: loopbackHosts,
    close
  }
}
