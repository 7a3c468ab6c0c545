import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { suite, test } from 'node:test'
import express from 'express'
import fastify from 'fastify'
import { type AppSession, expressGuard, fastifyGuard, type GuardedRequest, guardNode, type ServiceProvider } from '../src/index.ts'
import { cookieOf, createStage, requestId } from './provider.ts'

/** The same small application three times: says who is signed in, or that nobody is. */
const frameworks: Readonly<Record<string, (provider: ServiceProvider) => Promise<Server>>> = {
  'node:http': async (provider) =>
    createServer((request, response) => {
      guardNode(provider, request, response).then(
        (result) => result.kind === 'answered' || response.end(result.kind === 'signed-in' ? result.session.nameId.value : 'nobody'),
        () => response.writeHead(500).end()
      )
    }),
  Express: async (provider) => {
    const app = express()
    app.use(express.urlencoded({ extended: false }))
    app.use(expressGuard(provider))
    app.get('/', (request, response) => void response.send((request as unknown as GuardedRequest).appSession?.nameId.value ?? 'nobody'))
    return createServer(app)
  },
  Fastify: async (provider) => {
    const app = fastify()
    fastifyGuard(app, provider)
    app.get('/', async (request) => (request as { appSession?: AppSession | null }).appSession?.nameId.value ?? 'nobody')
    await app.ready()
    return createServer((request, response) => app.routing(request, response))
  }
}

for (const [name, create] of Object.entries(frameworks)) {
  suite(`Guard for ${name}`, () => {
    test('signs in, says who it is, is signed out by SOAP', async (t) => {
      const stage = createStage()
      const server = await create(stage.provider)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      t.after(() => server.close().closeAllConnections())
      const address = server.address()
      const at = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`
      const start = await fetch(`${at}/saml/login?to=/`, { redirect: 'manual' })
      const inResponseTo = requestId(start.headers.get('location') ?? '')
      const body = new URLSearchParams({ SAMLResponse: Buffer.from(stage.response({ inResponseTo })).toString('base64') })
      const signedIn = await fetch(`${at}/saml/acs`, { method: 'POST', body, redirect: 'manual' })
      assert.equal(signedIn.status, 303)
      const cookie = cookieOf({ 'set-cookie': signedIn.headers.getSetCookie() })
      const who = async (): Promise<string> => (await fetch(`${at}/`, { headers: { cookie } })).text()
      assert.equal(await who(), 'ana')
      const soap = await fetch(`${at}/saml/slo/soap`, { method: 'POST', headers: { 'content-type': 'text/xml' }, body: stage.soap(stage.logoutRequest()) })
      assert.equal(soap.status, 200)
      assert.match(await soap.text(), /status:Success/)
      assert.equal(await who(), 'nobody')
      assert.match(await (await fetch(`${at}/saml/metadata`)).text(), /EntityDescriptor/)
    })
  })
}
