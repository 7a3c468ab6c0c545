import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPrograms } from '../interop/harness/programs.ts'
import { simplesamlphpIdp } from '../interop/simplesamlphp-idp/simplesamlphp-idp.ts'
import { type Application, type Applications, startApplications } from './idp/applications.ts'
import { type Person, personAt, signIn, signOut } from './idp/person.ts'
import { type Provider, startProviders } from './idp/providers.ts'
import { compare, text, type Turn } from './idp/turns.ts'

const browsers = 8
/** One for each browser: sign-ins of one person that are under way at once count as guesses. */
const people = Array.from({ length: browsers }, (_, i) => `user${i}`)
const turnMs = 5_000

/** How many applications are told in a logout, beside the one that starts it, and how many sessions each browser ends in a turn. */
const logouts = [
  { told: 1, sessions: 10 },
  { told: 5, sessions: 5 },
  { told: 50, sessions: 1 }
] as const

/**
 * Complete sign-ins and logouts at two identity providers, each a server of its own on this machine with its sessions in
 * SQLite: AuthnRequest by Redirect, form, the same argon2id hash, Response by POST, verified; LogoutRequest by Redirect,
 * the other applications led to by the browser, LogoutResponse, verified. By SOAP at Curfew alone: SimpleSAMLphp tells
 * applications by the browser only. They take turns, with 8 browsers each.
 */
export async function benchSimplesamlphp(): Promise<readonly string[]> {
  const why = simplesamlphpIdp.missing()
  if (why !== undefined) return [`SimpleSAMLphp is not compared: ${why}`]
  const programs = createPrograms()
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  chmodSync(folder, 0o755)
  const applications = await startApplications(1 + Math.max(...logouts.map(({ told }) => told)))
  try {
    const { curfew, simplesamlphp, restartWith } = await startProviders(folder, programs, applications, people)
    const both = [curfew, simplesamlphp]
    const names = both.map(({ name }) => name)
    applications.trust(curfew.keys)
    // The first request makes the tables of SimpleSAMLphp, and several at once get in each other's way.
    for (const provider of both) await signInAndOut(applications)(provider).then(([first]) => first?.())
    const lines = ['Two identity providers as servers on this machine, sessions in SQLite, 8 browsers in turns']
    lines.push(...text('sign-in with a password, assertion, logout', names, await compare(both, signInAndOut(applications))))
    lines.push(...text('an assertion in a session that is there', names, await compare(both, assertions(applications))))
    for (const one of logouts)
      lines.push(...text(`a logout that tells ${one.told} by Redirect`, names, await compare(both, logout(applications, one, one.told))))
    await restartWith('soap')
    for (const one of logouts) lines.push(...text(`a logout that tells ${one.told} by SOAP`, names, await compare([curfew], logout(applications, one, 0))))
    return lines
  } finally {
    await programs.stopAll()
    applications.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function signInAndOut(applications: Applications): Turn {
  const [application] = applications.all
  if (application === undefined) throw new Error('no application')
  return async (provider) => {
    const untilMs = performance.now() + turnMs
    return people.map((username) => async () => {
      if (performance.now() > untilMs) return false
      const person = personAt(provider, applications, username)
      await signOut(person, application, await signIn(person, application))
      person.agent.close()
      return true
    })
  }
}

function assertions(applications: Applications): Turn {
  const [application] = applications.all
  if (application === undefined) throw new Error('no application')
  return async (provider) => {
    const here = people.map((username) => personAt(provider, applications, username))
    await Promise.all(here.map((person) => signIn(person, application)))
    const untilMs = performance.now() + turnMs
    return here.map((person) => async () => {
      if (performance.now() > untilMs) {
        person.agent.close()
        return false
      }
      await signIn(person, application)
      return true
    })
  }
}

/** Sessions with so many applications are made ready; what is measured is their end. `led`: to how many the browser has to be led. */
function logout(applications: Applications, { told, sessions }: (typeof logouts)[number], led: number): Turn {
  const [starter, ...others] = applications.all.slice(0, told + 1)
  if (starter === undefined) throw new Error('no application')
  return async (provider) => {
    const ready = await Promise.all(people.map((username) => openSessions({ provider, applications, username, sessions, starter, others })))
    return ready.map((opened) => async () => {
      const one = opened.pop()
      if (one === undefined) return false
      const seen = await signOut(one.person, starter, one.response)
      if (seen !== led) throw new Error(`${provider.name} led the browser to ${seen} applications, not ${led}`)
      one.person.agent.close()
      return true
    })
  }
}

interface Opening {
  readonly provider: Provider
  readonly applications: Applications
  readonly username: string
  readonly sessions: number
  readonly starter: Application
  readonly others: readonly Application[]
}

async function openSessions({
  provider,
  applications,
  username,
  sessions,
  starter,
  others
}: Opening): Promise<{ person: Person; response: Awaited<ReturnType<typeof signIn>> }[]> {
  const opened = []
  for (let n = 0; n < sessions; n++) {
    const person = personAt(provider, applications, username)
    const response = await signIn(person, starter)
    for (const other of others) await signIn(person, other)
    opened.push({ person, response })
  }
  return opened
}
