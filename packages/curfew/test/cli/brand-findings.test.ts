import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { createMessages } from '../../src/authority/pages/messages.ts'
import { brandProblems, textBytesMax } from '../../src/cli/brand-findings.ts'
import { loadBrand } from '../../src/cli/pages-setup.ts'
import { findingText } from '../../src/config/finding.ts'
import { loadConfig } from '../../src/config/load.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-brand-'))
after(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, 'texts'))

const base = `server: { baseUrl: 'https://login.example.com' }
saml: { keys: [{ key: key.pem, certificate: crt.pem }] }
sessions: { secretFile: secret }
signOn: { users: users.yaml }
`

function write(name: string, text: string | Uint8Array): void {
  writeFileSync(join(folder, name), text)
}

/** Places and codes of what is found, one line each, without the folder. */
function found(brand: string, more = base): readonly string[] {
  write('curfew.yaml', `${more}brand:\n${brand}`)
  const result = loadConfig(join(folder, 'curfew.yaml'), { environment: {}, brandProblems })
  return result.ok ? [] : result.findings.map((finding) => findingText(finding).replaceAll(`${folder}/`, '').replaceAll(/\n +/g, ' | '))
}

suite('AC-164 what a brand names is looked at when the configuration is loaded', () => {
  test('everything at once, each with its place and what to write', () => {
    write(
      'texts/en.json',
      '{\n  "signon.titel": "Come in",\n  "signon.for": "for {app",\n  "signon.locked": "Wait {minuts, plural, other {#}}",\n  "page.help": 3\n}\n'
    )
    write('texts/de.json', '{\n  "signon.title": "Herein",\n}\n')
    write('texts/it.json', '{}')
    write('header.html', '<p>Acme</p>\n  <script>x</script>\n<p onclick="x">')
    write('logo.gif', 'GIF')
    const brand = [
      '  tokens: { text: "#777777", accent: blue }',
      '  dark: { tokens: { text: "#333333" }, logo: nowhere.svg }',
      '  logo: logo.gif',
      '  header: header.html',
      '  footer: nowhere.html',
      '  messages: texts'
    ].join('\n')
    const lines = found(brand, base.replace('secretFile: secret', 'secretFil: secret'))
    for (const part of [
      /^curfew\.yaml:3:13 {2}CURFEW_CONFIG_UNKNOWN_KEY {2}sessions\.secretFil/,
      /^curfew\.yaml:6:19 {2}CURFEW_CONFIG_BRAND_CONTRAST {2}brand\.tokens\.text: text on background has a contrast of \d\.\d+\./,
      /^curfew\.yaml:6:38 {2}CURFEW_CONFIG_VALUE {2}brand\.tokens\.accent: "blue" can not be used\. \| Write a colour as #rrggbb/,
      /^curfew\.yaml:7:27 {2}CURFEW_CONFIG_BRAND_CONTRAST {2}brand\.dark\.tokens\.text: text on background/,
      /^curfew\.yaml:7:\d+ {2}CURFEW_CONFIG_FILE {2}brand\.dark\.logo: nowhere\.svg can not be read/,
      /^curfew\.yaml:8:9 {2}CURFEW_CONFIG_FILE {2}brand\.logo: logo\.gif is no SVG, PNG or WebP/,
      /^header\.html:2:3 {2}CURFEW_CONFIG_BRAND_MARKUP {2}header: <script> is not accepted/,
      /^header\.html:3:1 {2}CURFEW_CONFIG_BRAND_MARKUP {2}header: <p onclick="x"> is not accepted/,
      /^curfew\.yaml:10:11 {2}CURFEW_CONFIG_FILE {2}brand\.footer: nowhere\.html can not be read/,
      /^texts\/en\.json:2:3 {2}CURFEW_CONFIG_UNKNOWN_KEY {2}signon\.titel: .* \| Did you mean `signon\.title`\?/,
      /^texts\/en\.json:3:3 {2}CURFEW_CONFIG_BRAND_MESSAGE {2}signon\.for: this is no ICU message.* \| The shipped text is: to open \{app\}/,
      /^texts\/en\.json:4:3 {2}CURFEW_CONFIG_BRAND_MESSAGE {2}signon\.locked: nothing is known as \{minuts\} here\. \| Use: \{minutes\}/,
      /^texts\/en\.json:5:3 {2}CURFEW_CONFIG_BRAND_MESSAGE {2}page\.help: this is no text/,
      /^texts\/de\.json:\d:\d+ {2}CURFEW_CONFIG_BRAND_MESSAGE {2}messages: this is not well-formed JSON/,
      /^texts\/it\.json:1:1 {2}CURFEW_CONFIG_UNKNOWN_VALUE {2}messages: "it\.json" is no language of the pages/
    ])
      assert.ok(
        lines.some((line) => part.test(line)),
        `${String(part)} is not among\n${lines.join('\n')}`
      )
  })

  test('a text file that is too large is told of with its size and the limit; one of the limit is read', () => {
    mkdirSync(join(folder, 'large'))
    const fill = (bytes: number): string => `{${' '.repeat(bytes - 2)}}`
    write('large/en.json', fill(textBytesMax + 1))
    write('large.html', ' '.repeat(textBytesMax + 1))
    const lines = found('  messages: large\n  footer: large.html')
    assert.equal(lines.length, 2)
    for (const [i, name] of ['large\\.html', 'large/en\\.json'].entries())
      assert.match(
        lines.toSorted()[1 - i] ?? '',
        new RegExp(`CURFEW_CONFIG_FILE.*${name} has ${textBytesMax + 1} bytes\\. \\| .*${textBytesMax} bytes at most`)
      )
    write('large/en.json', fill(textBytesMax))
    write('large.html', ' '.repeat(textBytesMax))
    assert.deepEqual(found('  messages: large\n  footer: large.html'), [])
  })

  test('a good brand has no findings, and every text keeps the values it is given', () => {
    rmSync(join(folder, 'texts'), { recursive: true })
    mkdirSync(join(folder, 'texts'))
    write('texts/en.json', '{ "signon.for": "so that {app} opens", "signon.locked": "Wait {minutes} min." }')
    write('header.html', '<p>Acme</p>')
    write('logo.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>')
    assert.deepEqual(found('  header: header.html\n  logo: logo.svg\n  messages: texts\n  dark: { logo: logo.svg, tokens: { accent: "#ffd166" } }'), [])
    const brand = loadBrand({
      organisation: 'Acme',
      messages: join(folder, 'texts'),
      logo: join(folder, 'logo.svg'),
      dark: { logo: join(folder, 'logo.svg'), tokens: { accent: '#ffd166' } }
    })
    assert.deepEqual([brand.dark.accent, brand.darkLogo?.slice(0, 19)], ['#ffd166', 'data:image/svg+xml;'])
    assert.equal(createMessages(brand.messages)('en')('signon.locked', { minutes: 2 }), 'Wait 2 min.')
  })

  test('a text that is wrong all the same breaks no page', () => {
    const t = createMessages({ en: { 'signon.title': 'broken {', 'signon.for': 'for {nobody}', 'signon.submit': 'Go' } })('en')
    assert.deepEqual([t('signon.title'), t('signon.for', { app: 'Wiki' }), t('signon.submit')], ['Sign in', 'to open Wiki', 'Go'])
    assert.equal(t('signon.title'), 'Sign in')
  })
})
