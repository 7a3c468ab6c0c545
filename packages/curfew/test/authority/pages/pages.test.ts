import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { parse, TYPE } from '@formatjs/icu-messageformat-parser'
import { contrast, defaultDark, defaultLight, makeBrand } from '../../../src/authority/pages/brand.ts'
import { createCsrf } from '../../../src/authority/pages/csrf.ts'
import { escapeHtml, html } from '../../../src/authority/pages/html.ts'
import { chooseLanguage, createMessages, languages, type MessageKey } from '../../../src/authority/pages/messages.ts'
import { pageHeaders, renderPage } from '../../../src/authority/pages/page.ts'
import { createSecretKey } from 'node:crypto'

const files = Object.fromEntries(
  languages.map((language) => [
    language,
    JSON.parse(readFileSync(new URL(`../../../src/locales/${language}.json`, import.meta.url), 'utf8')) as Record<string, string>
  ])
)

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
  return 'accepted'
}

suite('HTML template', () => {
  test('nothing that is put in becomes markup', () => {
    fc.assert(
      fc.property(fc.string(), (input) => {
        const text = html`<p title="${input}">${input}</p>`.toString()
        assert.equal(text, `<p title="${escapeHtml(input)}">${escapeHtml(input)}</p>`)
        assert.doesNotMatch(escapeHtml(input), /[<>"']/)
      }),
      { numRuns: 500 }
    )
  })
  test('fragments are kept, lists joined, nothing gives nothing', () => {
    assert.equal(html`<ul>${['a', 'b'].map((item) => html`<li>${item}</li>`)}${undefined}${false}${3}</ul>`.toString(), '<ul><li>a</li><li>b</li>3</ul>')
  })
})

suite('Messages', () => {
  const argumentsOf = (message: string): readonly string[] => {
    const found = new Set<string>()
    const walk = (parts: ReturnType<typeof parse>): void => {
      for (const part of parts) {
        if (part.type === TYPE.argument || part.type === TYPE.plural || part.type === TYPE.select) found.add(part.value)
        if (part.type === TYPE.plural || part.type === TYPE.select) for (const option of Object.values(part.options)) walk(option.value)
      }
    }
    walk(parse(message, { ignoreTag: true }))
    return [...found].sort()
  }
  for (const language of languages) {
    test(`${language} has every text, with the same arguments as English`, () => {
      assert.deepEqual(Object.keys(files[language] ?? {}).sort(), Object.keys(files['en'] ?? {}).sort())
      for (const [key, message] of Object.entries(files['en'] ?? {})) assert.deepEqual(argumentsOf(files[language]?.[key] ?? ''), argumentsOf(message), key)
    })
  }
  for (const language of languages)
    test(`${language}: what is said of a button has the words that stand on it, so that it can be called by them (WCAG 2.5.3)`, () => {
      const t = createMessages()(language)
      const values = { app: 'X', when: 'X', user: 'X', provider: 'X' }
      for (const [shown, said] of [
        ['live.retry', 'live.retryApp'],
        ['live.endAccess', 'live.endAccessOf'],
        ['sessions.end', 'sessions.endThis'],
        ['link.remove', 'link.removeThis']
      ] as const)
        assert.ok(t(said, values).toLowerCase().includes(t(shown).toLowerCase()), `${t(shown)} is not in: ${t(said, values)}`)
    })
  test('the language of the page: a wish, else the best that the browser accepts, else English', () => {
    assert.equal(chooseLanguage('fr', 'de'), 'fr')
    assert.equal(chooseLanguage(undefined, 'pt;q=0.9, es-MX;q=0.8, de;q=0.7'), 'es')
    assert.equal(chooseLanguage(undefined, 'de;q=0, fr;q=0.1'), 'fr')
    assert.equal(chooseLanguage('xx', undefined), 'en')
  })
})

suite('Brand', () => {
  test('both sets of colours can be read', () => {
    for (const tokens of [defaultLight, defaultDark])
      assert.ok(contrast(tokens.text, tokens.surface) >= 4.5 && contrast(tokens.onAccent, tokens.accent) >= 4.5 && contrast(tokens.bad, tokens.surface) >= 4.5)
  })
  test('colours that can not be read are refused', () => {
    assert.equal(
      codeOf(() => makeBrand({ tokens: { text: '#dddddd' } })),
      'CURFEW_CONFIG_BRAND_CONTRAST'
    )
    assert.equal(
      codeOf(() => makeBrand({ tokens: { text: 'red' } })),
      'CURFEW_CONFIG_BRAND_COLOUR'
    )
  })
  for (const markup of [
    '<script>x</script>',
    '<p onclick="x">',
    '<a href="javascript:x">',
    '<img src="https://evil.example/x.png">',
    '<img src="//evil.example/x.png">',
    '<a href="/\\evil.example">',
    '<iframe src="/x">',
    '<style>p{}</style>',
    '<p style="x">',
    '<p class=x>',
    '<a href="//evil.example">',
    '<form>'
  ]) {
    test(`header and footer refuse ${markup}`, () =>
      assert.equal(
        codeOf(() => makeBrand({ header: markup })),
        'CURFEW_CONFIG_BRAND_MARKUP'
      ))
  }
})

suite('AC-164 texts, colours, header and footer of pages', () => {
  const brand = makeBrand({
    organisation: 'Acme',
    help: 'https://help.acme.example/',
    tokens: { accent: '#5b2a86' },
    header: '<p class="x">Acme header</p>',
    footer: '<p><a href="https://acme.example/">Acme footer</a></p>',
    messages: { en: { 'signon.title': 'Come in' } }
  })
  const page = (language: 'en' | 'de'): string => {
    const t = createMessages(brand.messages)(language)
    return renderPage({ language, t, brand, nonce: 'n', path: '/' }, { title: t('signon.title'), body: html`<h1>${t('signon.title')}</h1>` }).toString()
  }
  test('AC-164 can be replaced', () => {
    const text = page('en')
    for (const part of ['Acme', '#5b2a86', 'Acme header', 'Acme footer', '<h1>Come in</h1>', 'https://help.acme.example/']) assert.ok(text.includes(part), part)
  })
  test('AC-164 can be localised, and the page offers the other languages', () => {
    const text = page('de')
    assert.match(text, /<html lang="de">/)
    assert.match(text, /<h1>Anmelden<\/h1>/)
    for (const language of ['en', 'fr', 'es']) assert.ok(text.includes(`lang=${language}`), language)
  })
  test('AC-164 every listed page has its texts in every language', () => {
    const pages: Readonly<Record<string, readonly MessageKey[]>> = {
      'logout success': ['result.title', 'live.safe', 'done.title', 'done.text'],
      'logout error': ['result.titlePartial', 'live.unsafe'],
      'logout confirmation': ['ask.title', 'ask.everywhere', 'ask.stay', 'ask.cancelled'],
      'state not found': ['error.stateNotFound'],
      'general and HTTP error': ['error.title', 'error.text', 'error.what', 'error.notFound', 'error.tooLarge', 'error.reference'],
      'automatic POST': ['post.title', 'post.text', 'post.continue'],
      'sign-in': ['signon.title', 'signon.failed', 'signon.locked']
    }
    for (const [name, keys] of Object.entries(pages))
      for (const key of keys) for (const language of languages) assert.ok((files[language]?.[key] ?? '').length > 0, `${name} ${key} ${language}`)
  })
})

suite('Headers of pages', () => {
  const policy = (options = {}): string => pageHeaders('abc', options)['content-security-policy'] ?? ''
  test('nothing from elsewhere, no framing, no script without the nonce', () => {
    assert.match(policy(), /default-src 'none'/)
    assert.match(policy(), /script-src 'nonce-abc'/)
    assert.match(policy(), /frame-ancestors 'none'/)
    assert.match(policy(), /form-action 'self'/)
    assert.doesNotMatch(policy(), /unsafe|\*/)
  })
  test('frames of the run and no others', () => assert.match(policy({ frames: ['https://app.example'] }), /frame-src 'self' https:\/\/app\.example;/))
  test('a form that leaves may lead on', () => assert.doesNotMatch(policy({ formsLeave: true }), /form-action/))
})

suite('Form tokens', () => {
  const csrf = createCsrf(createSecretKey(Buffer.alloc(32, 1)))
  test('belong to one browser', () => {
    assert.equal(csrf.check('ana', csrf.token('ana')), true)
    for (const bad of [csrf.token('ben'), '', undefined, 1, `${csrf.token('ana')}x`]) assert.equal(csrf.check('ana', bad), false)
  })
})
