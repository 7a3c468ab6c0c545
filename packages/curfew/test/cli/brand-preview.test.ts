import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { makeBrand } from '../../src/authority/pages/brand.ts'
import { type Language, languages, messageKeys } from '../../src/authority/pages/messages.ts'
import { preview, type PreviewFile, previewSections } from '../../src/cli/brand-preview/preview.ts'
import { previewBrand } from '../../src/cli/commands/brand.ts'
import type { GlobalOptions } from '../../src/cli/context.ts'
import { buildProgram } from '../../src/cli/main.ts'
import { contextOf } from './context.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-preview-'))
after(() => rmSync(folder, { recursive: true }))

const brand = makeBrand({
  organisation: 'Acme',
  help: 'https://help.acme.example/',
  logo: 'data:image/png;base64,bGlnaHQ=',
  tokens: { accent: '#5b2a86' },
  dark: { logo: 'data:image/png;base64,ZGFyaw==', tokens: { accent: '#d8b4fe' } },
  header: '<p>Acme header</p>',
  footer: '<p>Acme footer</p>'
})

const drawn = (wanted: readonly Language[], of = brand): Promise<readonly PreviewFile[]> => Array.fromAsync(preview(of, wanted))
const isPage = ({ path }: PreviewFile): boolean => path.includes('/')

suite('AC-164 preview of the pages', () => {
  test('every text of the pages is on one of them', async () => {
    const marks = Object.fromEntries(messageKeys.map((key) => [key, `[${key}]`]))
    const all = (await drawn(['en'], { ...brand, messages: { en: marks } })).map(({ text }) => text).join('')
    assert.deepEqual(
      messageKeys.filter((key) => !all.includes(`[${key}]`)),
      []
    )
  })

  test('each state has a name of its own, one file for each colour scheme, and its place in the album', async () => {
    const ids = previewSections.flatMap(({ states }) => states.map(({ id }) => id))
    assert.deepEqual(ids.toSorted(), [...new Set(ids)].toSorted())
    const files = await drawn(['en', 'de'])
    const paths = files.map(({ path }) => path)
    assert.equal(paths.length, new Set(paths).size)
    assert.equal(paths.length, 2 + ids.length * 2 * 2)
    for (const [path, language, other] of [
      ['index.html', 'en', 'index.de.html'],
      ['index.de.html', 'de', 'index.html']
    ]) {
      const album = files.find((file) => file.path === path)?.text ?? ''
      const linked = [...album.matchAll(/<iframe src="([^"]+)"/g)].map(([, target = '']) => target)
      assert.deepEqual(linked.toSorted(), paths.filter((one) => one.startsWith(`${language}/`)).toSorted())
      assert.ok(album.includes(`href="${other}"`))
    }
  })

  test('each page wears the brand, in the colours and with the logo of its scheme alone', async () => {
    for (const { path, text } of (await drawn(['fr'])).filter(isPage)) {
      const isDark = path.endsWith('-dark.html')
      for (const part of ['<html lang="fr">', 'Acme', 'Acme header', 'Acme footer', 'https://help.acme.example/'])
        assert.ok(text.includes(part), `${path}: ${part}`)
      assert.deepEqual([text.includes('--accent:#5b2a86'), text.includes('--accent:#d8b4fe')], [!isDark, isDark], path)
      assert.deepEqual([text.includes('bGlnaHQ='), text.includes('ZGFyaw==')], [!isDark, isDark], path)
    }
  })

  test('a page as a file runs nothing, sends nothing and goes nowhere', async () => {
    for (const { path, text } of (await drawn(['es'])).filter(isPage)) {
      assert.match(
        text,
        /<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'nonce-preview';[^"]*form-action 'none'">/,
        path
      )
      assert.doesNotMatch(text, /http-equiv="refresh"/, path)
      assert.doesNotMatch(text, /<iframe|undefined|\[object/, path)
    }
  })

  test('the same brand gives the same octets', async () => {
    assert.deepEqual(await drawn(['en']), await drawn(['en']))
  })
})

const gatewayAlone = `gateway:
  secretFile: secret
  provider: { issuer: 'https://login.example.com', clientId: gate, clientSecret: 'a secret that is long enough' }
  webSessions: [{ name: main, audience: main }]
  applications: [{ id: wiki, urls: ['https://wiki.example.com'], target: 'http://10.0.0.5:8080' }]
brand: { organisation: 'Gate & Sons' }
`

suite('curfew brand preview', () => {
  const config = join(folder, 'curfew.yaml')
  writeFileSync(
    config,
    `server: { baseUrl: 'https://login.example.com' }
saml: { keys: [{ key: key.pem, certificate: crt.pem }] }
sessions: { secretFile: secret }
signOn: { users: users.yaml }
brand: { organisation: Acme }
`
  )
  const run = async (options: Partial<GlobalOptions>, out: string, language: readonly Language[] = ['en']) => {
    const { context, lines, notes } = contextOf({ config, ...options })
    return { code: await previewBrand(context, { out: join(folder, out), language }), lines, notes }
  }

  test('writes an album and prints where it is; the next one takes its place', async () => {
    for (let i = 0; i < 2; i++) {
      const { code, lines } = await run({}, 'pages/new')
      assert.deepEqual([code, lines], [0, [join(folder, 'pages/new/index.html')]])
    }
    assert.match(readFileSync(join(folder, 'pages/new/en/result-partial-dark.html'), 'utf8'), /- Acme<\/title>/)
    assert.equal(existsSync(join(folder, 'pages/new/index.de.html')), false)
  })

  test('all languages without a wish, and everything that was drawn as JSON', async () => {
    const { code, lines } = await run({ json: true }, 'all', [])
    const said = JSON.parse(lines.join('\n')) as { readonly languages: readonly string[]; readonly states: readonly { readonly id: string }[] }
    assert.deepEqual([code, said.languages], [0, languages])
    for (const language of languages)
      for (const { id } of said.states) assert.ok(existsSync(join(folder, `all/${language}/${id}-light.html`)), `${language} ${id}`)
  })

  test('a folder with something else in it is left as it is', async () => {
    mkdirSync(join(folder, 'mine'))
    writeFileSync(join(folder, 'mine/index.html'), 'mine')
    const { code, notes } = await run({}, 'mine')
    assert.equal(code, 1)
    assert.match(notes.join('\n'), /is not empty.*nothing was written/)
    assert.equal(readFileSync(join(folder, 'mine/index.html'), 'utf8'), 'mine')
  })

  test('a brand that can not be used is told of as by validate, and nothing is written', async () => {
    const wrong = join(folder, 'wrong.yaml')
    writeFileSync(wrong, readFileSync(config, 'utf8').replace('Acme', 'Acme, tokens: { text: "#dddddd" }'))
    const { code, notes } = await run({ config: wrong }, 'nothing')
    assert.equal(code, 78)
    assert.match(notes.join('\n'), /CURFEW_CONFIG_BRAND_CONTRAST/)
    assert.equal(existsSync(join(folder, 'nothing')), false)
  })

  test('takes the brand of a gateway alone, too', async () => {
    const own = join(folder, 'gateway.yaml')
    writeFileSync(own, gatewayAlone)
    const { code, notes } = await run({ config: own }, 'gateway')
    assert.equal(code, 0, notes.join('\n'))
    assert.match(readFileSync(join(folder, 'gateway/en/gateway-signed-out-light.html'), 'utf8'), /- Gate &amp; Sons<\/title>/)
  })

  test('knows the languages of the pages and no others', async () => {
    const parse = async (language: string): Promise<unknown> => {
      let given: unknown
      const program = buildProgram(async () => undefined)
      const command = program.commands.find((one) => one.name() === 'brand')?.commands[0]
      command
        ?.exitOverride()
        .configureOutput({ writeErr: () => undefined })
        .action((options: { readonly language: unknown }) => {
          given = options.language
        })
      await program.parseAsync(['node', 'curfew', 'brand', 'preview', '--language', language])
      return given
    }
    for (const language of languages) assert.deepEqual(await parse(language), [language])
    await assert.rejects(parse('it'), /Use one of: en, de, fr, es/)
  })
})
