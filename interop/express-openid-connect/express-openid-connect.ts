import { join } from 'node:path'
import { nodeClientKind } from '../harness/node-client.ts'
import type { PeerKind } from '../peer.ts'

/** An Express application on the middleware of Auth0, which receives logout tokens itself. */
export const expressOpenidConnect: PeerKind = nodeClientKind({
  id: 'express-oidc',
  packageName: 'express-openid-connect',
  file: join(import.meta.dirname, 'app.ts'),
  known: []
})
