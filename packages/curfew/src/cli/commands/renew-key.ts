import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { verificationKeyFromCertificate } from '@curfew/codecs'
import { stringify } from 'yaml'
import { findingText } from '../../config/finding.ts'
import { type KeyEntry, type KeyList, withKey } from '../../config/imports/add-key.ts'
import { parseConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { createSelfSigned } from '../../platform/certificate.ts'
import { systemClock } from '../../platform/clock.ts'
import { systemRandom } from '../../platform/random.ts'
import { brandProblems } from '../brand-findings.ts'
import { type CommandContext, configPath, printJson } from '../context.ts'
import { dayText } from '../doctor-check.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { entryOf, freeKeyFiles, type KeyFiles, writeKeyFiles } from '../next-key.ts'
import { replaceFile } from '../replace-file.ts'
import { keyTypeOf, signingPlaces } from '../signing-places.ts'
import { loadOrReport } from './validate.ts'

export interface RenewOptions {
  readonly for: 'signing' | 'decryption'
  readonly days: number
  readonly plan?: boolean
}

/** What is made, and where it goes. */
interface Renewal {
  readonly list: KeyList
  readonly files: KeyFiles
  readonly entry: KeyEntry
  readonly place: 'first' | 'last'
  /** The key that is in use now. */
  readonly current?: string
}

/**
 * `curfew certs renew`: makes the next key with its certificate and adds it to the configuration beside the one in use.
 * A signing key is published first and signs later; a decryption key is published at once, and the former one goes on
 * decrypting. Nothing is written over, and nothing is taken out.
 */
export async function renewKey(context: CommandContext, options: RenewOptions): Promise<ExitCode> {
  const { terminal } = context
  const loaded = loadOrReport(context)
  if (loaded === undefined) return exitCode.configuration
  const file = configPath(context)
  const refusal = refusalOf(loaded.config, options)
  if (refusal !== undefined) {
    terminal.error(`${refusal} Nothing was changed.`)
    return exitCode.failed
  }
  const renewal = renewalOf(loaded.config, resolve(file), options)
  const before = readFileSync(file, 'utf8')
  const next = withKey(before, renewal.list, renewal.entry, renewal.place)
  if (next === undefined) return notInFile(context, file, renewal)
  const result = parseConfig(next, file, { environment: context.environment, brandProblems })
  if (!result.ok) {
    for (const finding of result.findings) terminal.error(findingText(finding))
    terminal.error('The configuration would not be good. Nothing was changed.')
    return exitCode.configuration
  }
  if (options.plan !== true) await carryOut(loaded.config, options, renewal, { file, before, next })
  return give(context, file, renewal, options)
}

/** Why there is nothing to make now. */
function refusalOf(config: Config, options: RenewOptions): string | undefined {
  const { saml } = config
  if (options.for === 'decryption') {
    const [, former] = saml.decryptionKeys
    return former === undefined ? undefined : `saml.decryptionKeys has two already: take ${former.certificate} out when nobody encrypts to it any more.`
  }
  const [first] = saml.keys
  if (first === undefined) return undefined
  const signing = signingPlaces(config)
  // One that signs for partners with another algorithm is nobody's next. The one that is made here is RSA, whatever the first is.
  const types = new Set(['rsa', keyTypeOf(first.algorithm)])
  const published = saml.keys.filter(({ algorithm }, i) => !signing.has(i) && types.has(keyTypeOf(algorithm)))
  const nextOne = published.find(({ certificate }) => endsAtMs(certificate) > endsAtMs(first.certificate))
  return nextOne === undefined
    ? undefined
    : `saml.keys has a key that ends later, ${nextOne.certificate}: put it first when every partner knows it, or take it out.`
}

function endsAtMs(certificate: string): number {
  return verificationKeyFromCertificate(readFileSync(certificate, 'utf8')).notAfterMs ?? 0
}

function renewalOf({ saml }: Config, configFile: string, options: RenewOptions): Renewal {
  const isSigning = options.for === 'signing'
  const list = isSigning ? 'keys' : 'decryptionKeys'
  const [current] = saml[list]
  const folder = current === undefined ? join(dirname(configFile), 'keys') : dirname(current.key)
  const files = freeKeyFiles(folder, isSigning ? 'saml' : 'decrypt', dayText(systemClock.nowMs()))
  const algorithm = isSigning ? saml.keys[0]?.algorithm : undefined
  // The new key is RSA, whatever the former one was.
  const isKept = algorithm?.startsWith('rsa') === true && algorithm !== 'rsa-sha256'
  return {
    list,
    files,
    entry: entryOf(files, configFile, isKept ? algorithm : undefined),
    place: isSigning ? 'last' : 'first',
    ...(current === undefined ? {} : { current: current.key })
  }
}

async function carryOut(
  { server }: Config,
  { days }: RenewOptions,
  { files, current }: Renewal,
  { file, before, next }: { readonly file: string; readonly before: string; readonly next: string }
): Promise<void> {
  const pair = await createSelfSigned(new URL(server.baseUrl).hostname, { fromMs: systemClock.nowMs(), days }, systemRandom)
  writeKeyFiles(files, pair, current !== undefined && existsSync(current) ? current : undefined)
  try {
    replaceFile(file, before, next)
  } catch (error) {
    for (const path of [files.key, files.certificate]) rmSync(path, { force: true })
    throw error
  }
}

/** The list comes from the environment, or is written in a way that is left alone: a person has to add the lines. */
function notInFile({ terminal }: CommandContext, file: string, { list, entry, place }: Renewal): ExitCode {
  terminal.error(`saml.${list} does not stand in ${file} as a list. Nothing was changed. Make a key and a certificate, and add them ${place}:`)
  for (const line of linesOf(list, entry)) terminal.error(line)
  return exitCode.failed
}

function give(context: CommandContext, file: string, { list, entry, place }: Renewal, options: RenewOptions): ExitCode {
  const { terminal } = context
  const isPlan = options.plan === true
  if (printJson(context, { file, list: `saml.${list}`, place, ...entry, written: !isPlan })) return exitCode.done
  if (isPlan) {
    terminal.note(`Would make ${entry.key} and ${entry.certificate}, and add them ${place} in ${file}:`)
    for (const line of linesOf(list, entry)) terminal.out(line)
    terminal.note('Nothing was changed. Without --plan this is done.')
    return exitCode.done
  }
  terminal.out(`Made ${entry.key}`)
  terminal.out(`     ${entry.certificate}`)
  terminal.out(`They are ${place} in saml.${list} of ${file} now.`)
  terminal.note('')
  for (const line of nextSteps(options.for)) terminal.note(line)
  return exitCode.done
}

function linesOf(list: KeyList, entry: KeyEntry): readonly string[] {
  return stringify({ saml: { [list]: [entry] } })
    .trimEnd()
    .split('\n')
}

function nextSteps(use: RenewOptions['for']): readonly string[] {
  if (use === 'signing')
    return [
      'Next:  start every node again: the metadata shows both keys, the former one signs',
      '       when every partner has read it (a day), put the new one first, and start again',
      '       a day later take the former one out'
    ]
  return [
    'Next:  start every node again: the metadata shows the new key, both decrypt',
    '       when every partner has read it (a day), take the former one out'
  ]
}
