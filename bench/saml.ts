import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import {
  bearerMethod,
  decodePost,
  decodeRedirect,
  encodeRedirect,
  type LogoutRequest,
  type PeerKeys,
  type RedirectMessage,
  redirectOctets,
  redirectUrl,
  type SigningKey,
  serialiseAssertion,
  serialiseLogoutRequest,
  serialiseResponse,
  signBytesSync,
  signEnvelopedSync,
  signMessage,
  status,
  verificationKeyFromPublicKey,
  verifyLogoutRequest,
  verifyResponse
} from '@curfew/codecs'
import { hostileMessages } from '../packages/codecs/test/support/hostile.ts'
import { peer as hostilePeer } from '../packages/codecs/test/support/messages.ts'
import { createSelfSigned } from '../packages/curfew/src/platform/certificate.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import { atOnce, line, ratesInTurns, rateOf, rateOfAsync, ratioOf } from './measure.ts'
import { hostileTo } from './saml-hostile.ts'
import { lassoLines } from './saml-lasso.ts'
import { nodeSaml, parties, type RivalKeys, samlifyParties } from './saml-rivals.ts'

const { issuer, service, consumer: destination } = parties
const now = Temporal.Now.instant()

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = { key: privateKey, algorithm: 'rsa-sha256' as const }
const peer: PeerKeys = { entityId: issuer, keys: [verificationKeyFromPublicKey(publicKey)] }

const request: LogoutRequest = {
  kind: 'LogoutRequest',
  id: '_4f6dc1a08e6b4d6e9c1d0a7b5e3f2c1d0a9b8c7d',
  issuer,
  issueInstant: now,
  destination: `${service}/slo`,
  notOnOrAfter: now.add({ minutes: 5 }),
  subject: { value: 'AAdzZWNyZXQxyz', format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent' },
  sessionIndexes: ['1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefghijkl'],
  asynchronous: false
}

function responseXml(signing = key): string {
  const assertion = serialiseAssertion({
    id: '_assertion',
    issuer,
    issueInstant: now,
    subject: {
      nameId: request.subject,
      confirmations: [{ method: bearerMethod, recipient: destination, notOnOrAfter: now.add({ minutes: 5 }), inResponseTo: '_asked' }]
    },
    conditions: { notBefore: now.subtract({ minutes: 1 }), notOnOrAfter: now.add({ minutes: 5 }), audienceRestrictions: [[service]] },
    authnStatement: { authnInstant: now, sessionIndex: 'index', classRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport' },
    attributes: Array.from({ length: 8 }, (_, i) => ({ name: `urn:oid:2.5.4.${i}`, values: [`value ${i}`] }))
  })
  const parts = serialiseResponse(
    { kind: 'Response', id: '_response', issuer, issueInstant: now, destination, inResponseTo: '_asked', status: status.success() },
    signEnvelopedSync(assertion, signing)
  )
  return parts.head + parts.tail
}

/** Signing and verifying, as ratios to the raw RSA operation of this process, and the same work by three libraries. */
export async function benchSaml(): Promise<readonly string[]> {
  const octets = Buffer.from(serialiseLogoutRequest(request).head + serialiseLogoutRequest(request).tail)
  const signature = sign('sha256', octets, privateKey)
  const rawSign = rateOf(() => sign('sha256', octets, privateKey)).perCpuSecond
  const rawVerify = rateOf(() => verify('sha256', octets, publicKey, signature)).perCpuSecond

  const signedRequest = signEnvelopedSync(serialiseLogoutRequest(request), key)
  const postField = Buffer.from(signedRequest).toString('base64')
  const url = await redirected()
  const query = url.slice(url.indexOf('?') + 1)
  const response = Buffer.from(responseXml()).toString('base64')

  const rawSigning = (): Buffer => sign('sha256', octets, privateKey)
  const rawVerifying = (): boolean => verify('sha256', octets, publicKey, signature)
  const posted = [['SAMLRequest', postField]] as const
  const lines = [
    'SAML against raw RSA-2048 of the same process',
    ...signingOnLoop(rawSigning),
    ...(await signingBesideLoop(octets, rawSigning)),
    line(
      'verify Response',
      ratioOf(() => verifyResponse(decodePost([['SAMLResponse', response]]), peer), rawVerifying),
      'raw verify',
      0.22
    ),
    line(
      'verify LogoutRequest by POST',
      ratioOf(() => verifyLogoutRequest(decodePost(posted), peer), rawVerifying),
      'raw verify',
      0.38
    ),
    line(
      'verify LogoutRequest by Redirect',
      ratioOf(() => verifyLogoutRequest(decodeRedirect(query), peer), rawVerifying),
      'raw verify',
      0.5
    ),
    ...hostile()
  ]
  return [...lines, ...(await rivals(rawVerify, rawSign))]
}

/** The codec and RSA on one thread, both: what is left of the rate of RSA beside building the message. */
function signingOnLoop(rawSigning: () => Buffer): readonly string[] {
  const post = ratioOf(() => signEnvelopedSync(serialiseLogoutRequest(request), key), rawSigning)
  const redirect = ratioOf(() => {
    const octets = redirectOctets(logoutByRedirect(), key.algorithm)
    return redirectUrl(`${service}/slo`, octets, signBytesSync(octets, key))
  }, rawSigning)
  return [
    line('sign LogoutRequest for POST, on the loop', post, 'raw sign on the loop', 0.93),
    line('sign LogoutRequest for Redirect, on the loop', redirect, 'raw sign on the loop', 0.88)
  ]
}

/** What a logout of a few applications signs, and one of fifty. */
const signedAtOnce = [4, 50] as const

/**
 * The functions that the product calls sign beside the event loop, and the CPU of all threads counts. The bars are those
 * of the codec: both sides go to other threads and back. What that way costs, codec or not, stands in the lines below.
 */
async function signingBesideLoop(octets: Buffer, rawSigning: () => Buffer): Promise<readonly string[]> {
  const lines: string[] = []
  for (const count of signedAtOnce) {
    const [post = 0, redirect = 0, beside = 0, onLoop = 0] = await ratesInTurns([
      atOnce(count, () => signMessage(serialiseLogoutRequest(request), key)),
      atOnce(count, () => redirected()),
      { count, run: () => signedBeside(octets, count) },
      { count: 1, run: rawSigning }
    ])
    const many = `${count} at once`
    lines.push(
      line(`sign LogoutRequest for POST, ${many}`, post / beside, `raw sign beside the loop, ${many}`, 0.93),
      line(`sign LogoutRequest for Redirect, ${many}`, redirect / beside, `raw sign beside the loop, ${many}`, 0.88),
      line(`  the way there: raw sign, ${many}`, beside / onLoop, 'raw sign on the loop'),
      line(`  codec and way, for POST, ${many}`, post / onLoop, 'raw sign on the loop'),
      line(`  codec and way, for Redirect, ${many}`, redirect / onLoop, 'raw sign on the loop')
    )
  }
  return lines
}

/** The form of `crypto.sign` that takes a callback, so many at once and nothing around them. */
function signedBeside(octets: Buffer, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let open = count
    const done = (error: Error | null): void => {
      if (error !== null) reject(error)
      open -= 1
      if (open === 0) resolve()
    }
    for (let i = 0; i < count; i++) sign('sha256', octets, privateKey, done)
  })
}

function logoutByRedirect(): RedirectMessage {
  const { head, tail } = serialiseLogoutRequest(request)
  return { parameter: 'SAMLRequest', xml: head + tail }
}

function redirected(signingKey: SigningKey = key): Promise<string> {
  return encodeRedirect(`${service}/slo`, logoutByRedirect(), signingKey)
}

/** Tries of one hostile document that are timed together: one alone is shorter than the clock of the CPU can tell. */
const hostileTries = 20

/** The slowest refusal of the hostile documents of up to 256 KiB that the tests refuse, in CPU time, best of three. */
function hostile(): readonly string[] {
  const times = Object.entries(hostileMessages).map(([name, xml]) => {
    const fields = [['SAMLRequest', Buffer.from(xml).toString('base64')]] as const
    let best = Number.POSITIVE_INFINITY
    for (let round = 0; round < 3; round++) {
      const before = process.threadCpuUsage()
      for (let i = 0; i < hostileTries; i++) {
        try {
          verifyLogoutRequest(decodePost(fields), hostilePeer)
        } catch {
          // Refusal is what is measured.
        }
      }
      const { user, system } = process.threadCpuUsage(before)
      best = Math.min(best, (user + system) / 1000 / hostileTries)
    }
    return { name, best }
  })
  const worst = times.reduce((a, b) => (b.best > a.best ? b : a))
  return [
    `  ${'slowest refusal of 256 KiB'.padEnd(44)} ${worst.best.toFixed(2).padStart(7)} ms (${worst.name})${worst.best < 5 ? '  bar 5 ms met' : '  BAR 5 ms MISSED'}`
  ]
}

/** The same messages through node-saml 5, samlify 2 and lasso. */
async function rivals(rawVerify: number, rawSign: number): Promise<readonly string[]> {
  const pair = await createSelfSigned('idp.example', { fromMs: Date.now(), days: 30 }, systemRandom)
  const own = { key: createPrivateKey(pair.keyPem), algorithm: 'rsa-sha256' as const }
  const response = Buffer.from(responseXml(own)).toString('base64')
  const saml = nodeSaml(pair)
  const posting = nodeSaml(pair, 'HTTP-POST')
  const user = { issuer, nameID: 'AAdzZWNyZXQxyz', nameIDFormat: request.subject.format ?? '', sessionIndex: 'index' }
  const verifies = await rateOfAsync(() => saml.validatePostResponseAsync({ SAMLResponse: response }))
  const posts = await rateOfAsync(() => posting.getAuthorizeFormAsync('', undefined))
  const redirects = await rateOfAsync(() => saml.getLogoutUrlAsync(user, '', {}))
  const ours = {
    verify: rateOf(() =>
      verifyResponse(decodePost([['SAMLResponse', response]]), { entityId: issuer, keys: [verificationKeyFromPublicKey(createPublicKey(own.key))] })
    ).perCpuSecond
  }
  const logout = Buffer.from(signEnvelopedSync(serialiseLogoutRequest(request), own)).toString('base64')
  const url = await redirected(own)
  const query = url.slice(url.indexOf('?') + 1)
  const container = Object.fromEntries(new URLSearchParams(query))
  const keys: PeerKeys = { entityId: issuer, keys: [verificationKeyFromPublicKey(createPublicKey(own.key))] }
  const logouts = {
    post: rateOf(() => verifyLogoutRequest(decodePost([['SAMLRequest', logout]]), keys)).perCpuSecond,
    redirect: rateOf(() => verifyLogoutRequest(decodeRedirect(query), keys)).perCpuSecond,
    signsPost: (await rateOfAsync(() => signMessage(serialiseLogoutRequest(request), own), 4)).perCpuSecond,
    signsRedirect: (await rateOfAsync(() => redirected(own), 4)).perCpuSecond,
    nodeSamlPost: (await rateOfAsync(() => saml.validatePostRequestAsync({ SAMLRequest: logout }))).perCpuSecond,
    nodeSamlRedirect: (await rateOfAsync(() => saml.validateRedirectAsync(container, query))).perCpuSecond
  }
  const lines = [
    'The same work elsewhere (RSA-3072 key, so compare these lines with each other)',
    line('curfew: verify Response', ours.verify / rawVerify, 'raw verify (2048)'),
    line('node-saml 5: verify Response', verifies.perCpuSecond / rawVerify, 'raw verify (2048)'),
    line('curfew: verify LogoutRequest by POST', logouts.post / rawVerify, 'raw verify (2048)'),
    line('node-saml 5: verify LogoutRequest by POST', logouts.nodeSamlPost / rawVerify, 'raw verify (2048)'),
    line('curfew: verify LogoutRequest by Redirect', logouts.redirect / rawVerify, 'raw verify (2048)'),
    line('node-saml 5: verify LogoutRequest by Redirect', logouts.nodeSamlRedirect / rawVerify, 'raw verify (2048)'),
    line('curfew: sign LogoutRequest for POST, 4 at once', logouts.signsPost / rawSign, 'raw sign (2048)'),
    line('curfew: sign LogoutRequest for Redirect, 4 at once', logouts.signsRedirect / rawSign, 'raw sign (2048)'),
    line('node-saml 5: sign LogoutRequest by Redirect', redirects.perCpuSecond / rawSign, 'raw sign (2048)'),
    // It has no LogoutRequest for POST; the other message that it signs so is about as long.
    line('node-saml 5: sign AuthnRequest for POST', posts.perCpuSecond / rawSign, 'raw sign (2048)'),
    await hostileTo('node-saml 5', pair)
  ]
  const messages = { response, logoutByPost: logout, logoutByRedirect: query }
  return [
    ...lines,
    ...(await samlifyLines({ pair, logout, response, query, rawVerify, rawSign })),
    ...(await lassoLines(pair, messages, { sign: rawSign, verify: rawVerify }))
  ]
}

interface SamlifyWork {
  readonly pair: RivalKeys
  /** Signed messages: a LogoutRequest for POST, a Response, a LogoutRequest by Redirect. */
  readonly logout: string
  readonly response: string
  readonly query: string
  readonly rawVerify: number
  readonly rawSign: number
}

async function samlifyLines({ pair, logout, response, query, rawVerify, rawSign }: SamlifyWork): Promise<readonly string[]> {
  const { sp, idp } = samlifyParties(pair)
  const user = { logoutNameID: 'AAdzZWNyZXQxyz', sessionIndex: 'index' }
  const posted = await rateOfAsync(async () => idp.createLogoutRequest(sp, 'post', user))
  const sent = await rateOfAsync(async () => idp.createLogoutRequest(sp, 'redirect', user))
  const read = await rateOfAsync(() => sp.parseLogoutRequest(idp, 'post', { body: { SAMLRequest: logout } }))
  const signedPart = query.slice(0, query.indexOf('&Signature='))
  const fields = Object.fromEntries(new URLSearchParams(query))
  const received = await rateOfAsync(() => sp.parseLogoutRequest(idp, 'redirect', { query: fields, octetString: signedPart }))
  const responses = await rateOfAsync(() => sp.parseLoginResponse(idp, 'post', { body: { SAMLResponse: response } }))
  return [
    line('samlify 2: verify Response', responses.perCpuSecond / rawVerify, 'raw verify (2048)'),
    line('samlify 2: verify LogoutRequest by POST', read.perCpuSecond / rawVerify, 'raw verify (2048)'),
    line('samlify 2: verify LogoutRequest by Redirect', received.perCpuSecond / rawVerify, 'raw verify (2048)'),
    line('samlify 2: sign LogoutRequest for POST', posted.perCpuSecond / rawSign, 'raw sign (2048)'),
    line('samlify 2: sign LogoutRequest for Redirect', sent.perCpuSecond / rawSign, 'raw sign (2048)'),
    await hostileTo('samlify 2', pair)
  ]
}
