import { attack, type AttackClass, edit } from '../attack.ts'

const tests = 'packages/curfew/test/attacks'
const oidc = 'packages/curfew/src/authority/oidc'

/** What can be done with the messages and addresses of OpenID. */
export const openIdAttacks: readonly AttackClass[] = [
  attack('Something else as id_token_hint', `${tests}/id-token-hint.test.ts`, [
    {
      test: 'a security event token, untyped ends nothing without a question',
      without: 'the refusal of tokens that tell of events',
      edits: [edit(`${oidc}/id-token-hint.ts`, 'if (events !== undefined || typeof sub', 'if (events === null || typeof sub')]
    },
    ...['an access token, typed', 'a security event token, typed'].map((what) => ({
      test: `${what} ends nothing without a question`,
      without: 'the look at the type of the token',
      edits: [edit(`${oidc}/id-token-hint.ts`, "(token.typ !== undefined && token.typ !== 'JWT')", "token.typ === 'none'")]
    }))
  ]),
  attack('Answers of an OpenID provider', `${tests}/openid-provider.test.ts`, [
    {
      test: 'mix-up: an answer of one provider is worth nothing at the address of another, nor one that names another issuer',
      without: 'the comparison of the issuer that the answer names',
      edits: [
        edit('packages/curfew/src/authority/oidc-rp/callback.ts', 'if (iss !== undefined && iss !== settings.issuer) throw', "if (iss === 'nobody') throw")
      ]
    }
  ]),
  attack('Addresses after an OpenID logout', `${tests}/post-logout-address.test.ts`, [
    ...['another host', 'another port', 'a path below', 'a script'].map((what) => ({
      test: `AC-151 ${what} is not followed`,
      without: 'the redirect decision',
      edits: [
        edit(
          `${oidc}/post-logout.ts`,
          "return decision.kind === 'allowed' ? decision.url : undefined",
          "return decision.kind === 'allowed' ? decision.url : uri"
        )
      ]
    }))
  ]),
  attack('Forged logout tokens at an application', 'packages/sdk/test/attacks/logout-token.test.ts', [
    {
      test: 'a token of another issuer with the same keys ends nothing and is refused with 400',
      without: 'the comparison of the issuer',
      edits: [
        edit(
          'packages/codecs/src/oidc/token.ts',
          "if (claims['iss'] !== expected.issuer) throw wrong('iss')",
          "if (claims['iss'] === undefined) throw wrong('iss')"
        )
      ]
    }
  ])
]
