import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { LightMyRequestResponse } from 'fastify'
import { formOf } from '../browser.ts'
import { createKit, signInTo } from '../kit.ts'

function languageOf({ body }: LightMyRequestResponse): string {
  return /<html lang="([a-z]+)"/.exec(body)?.[1] ?? ''
}

suite('The language that a person chose below a page', () => {
  test('holds over the form, the redirect and the pages that follow, until another is chosen', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signInTo(kit, browser, 'intranet')
    const english = { 'accept-language': 'en', 'sec-fetch-site': 'same-origin' }
    assert.equal(languageOf(await browser.get('/signoff', english)), 'en')
    const asked = await browser.get('/signoff?lang=fr', english)
    assert.equal(languageOf(asked), 'fr')
    const { action, fields } = formOf(asked.body)
    const left = await browser.post(action, { ...fields, choice: 'everywhere' }, english)
    assert.equal(left.statusCode, 303, left.body)
    assert.equal(languageOf(await browser.get(String(left.headers.location), english)), 'fr')
    assert.equal(languageOf(await browser.get('/nothing-here', english)), 'fr')
    assert.equal(languageOf(await browser.get('/nothing-here?lang=de', english)), 'de')
    assert.equal(languageOf(await browser.get('/nothing-here', english)), 'de')
  })

  test('is one that the pages have: nothing else is kept', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    for (const lang of ['xx', 'fr;path=/', '', 'fr&lang=de']) await browser.get(`/signoff/done?lang=${lang}`)
    assert.equal(browser.cookies.has('PF.LANGUAGE'), false)
    browser.cookies.set('PF.LANGUAGE', 'xx')
    assert.equal(languageOf(await browser.get('/signoff/done', { 'accept-language': 'es' })), 'es')
  })
})

suite('The links to other languages', () => {
  test('never lead to another host, whatever was asked for', async () => {
    await using kit = await createKit()
    for (const url of [
      '//evil.example/x',
      '///evil.example/x',
      '/.//evil.example/x',
      '/\\evil.example/x',
      '/%2e//evil.example',
      'http://evil.example/x',
      '/a?b=//c'
    ])
      for (const [, href = ''] of (await kit.app.inject({ url, headers: { accept: 'text/html' } })).body.matchAll(/href="([^"]*lang=[^"]*)"/g))
        assert.equal(new URL(href, 'https://curfew.example').host, 'curfew.example', `${url}: ${href}`)
  })
})
