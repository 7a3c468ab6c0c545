import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { compactDecrypt, type CompactDecryptResult, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import { makeClient } from '../../../src/authority/oidc/client.ts'
import type { TokenEncryptionSettings } from '../../../src/authority/oidc/settings.ts'
import { clientOf, codeFor, createOidcKit, exchange, post } from './relying-party.ts'

const cases: readonly TokenEncryptionSettings[] = [
  { algorithm: 'RSA-OAEP', content: 'A128CBC-HS256' },
  { algorithm: 'RSA-OAEP-256', content: 'A256GCM' },
  { algorithm: 'ECDH-ES', content: 'A128CBC-HS256' },
  { algorithm: 'ECDH-ES', content: 'A256GCM' }
]

async function clientKey({ algorithm }: TokenEncryptionSettings) {
  const { publicKey, privateKey } = await generateKeyPair(algorithm)
  const jwk = { ...(await exportJWK(publicKey)), kid: 'client-key', use: 'enc' } as Readonly<Record<string, unknown>>
  return { jwk, open: (token: string): Promise<CompactDecryptResult> => compactDecrypt(token, privateKey) }
}

suite('OpenID tokens that are encrypted for the client', () => {
  for (const tokenEncryption of cases) {
    test(`ID token and logout token are signed, then encrypted: ${tokenEncryption.algorithm}, ${tokenEncryption.content}`, async () => {
      const key = await clientKey(tokenEncryption)
      let told = ''
      const network = async ({ body }: { readonly body?: unknown }) => {
        told = new URLSearchParams(String(body)).get('logout_token') ?? ''
        return { status: 200 }
      }
      await using kit = await createOidcKit({ network, clients: [clientOf('wiki', { jwks: { keys: [key.jwk] }, tokenEncryption })] })
      const answer = await exchange(kit, 'wiki', await codeFor(kit, kit.browser(), 'wiki'))
      assert.equal(answer.statusCode, 200, answer.body)
      const { id_token: sealed, access_token: token } = answer.json<{ id_token: string; access_token: string }>()
      const read = async (text: string): Promise<string> => {
        const { plaintext, protectedHeader } = await key.open(text)
        const { algorithm, content } = tokenEncryption
        assert.deepEqual([protectedHeader.alg, protectedHeader.enc, protectedHeader.cty, protectedHeader.kid], [algorithm, content, 'JWT', 'client-key'])
        return Buffer.from(plaintext).toString('utf8')
      }
      const idToken = await read(sealed)
      assert.equal(decodeProtectedHeader(idToken).alg, 'ES256')
      assert.equal(decodeJwt(idToken).aud, 'wiki')
      assert.equal((await post(kit, '/as/logout.oauth2', 'wiki', { token: sealed })).statusCode, 400, 'what only the client can open names no session here')
      assert.equal((await post(kit, '/as/logout.oauth2', 'wiki', { token })).statusCode, 200)
      for (let i = 0; i < 5_000 && told === ''; i++) await new Promise((resolve) => setTimeout(resolve, 1))
      const logoutToken = await read(told)
      assert.equal(decodeProtectedHeader(logoutToken).typ, 'logout+jwt')
      assert.equal(decodeJwt(logoutToken)['sid'], decodeJwt(idToken)['sid'])
    })
  }

  test('a client without a fitting key does not start', async () => {
    const kit = await createOidcKit()
    await using _kit = kit
    const tokenEncryption = { algorithm: 'RSA-OAEP-256', content: 'A256GCM' } as const
    const { jwk } = await clientKey(tokenEncryption)
    const make = (keys: readonly Readonly<Record<string, unknown>>[]) => makeClient(clientOf('wiki', { jwks: { keys }, tokenEncryption }), kit.ctx.oidc.keys)
    assert.ok(make([jwk]))
    for (const wrong of [{ ...jwk, use: 'sig' }, { ...jwk, alg: 'RSA-OAEP' }, (await clientKey({ ...tokenEncryption, algorithm: 'ECDH-ES' })).jwk]) {
      assert.throws(() => make([wrong]), { code: 'CURFEW_CONFIG_CONNECTION' })
    }
  })
})
