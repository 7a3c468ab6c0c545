import { join } from 'node:path'
import { nodeClientKind } from '../harness/node-client.ts'
import type { PeerKind } from '../peer.ts'

/** A plain `node:http` application on openid-client; the receiver of logout tokens is its own, with jose. */
export const openidClient: PeerKind = nodeClientKind({
  id: 'openid-client',
  packageName: 'openid-client',
  file: join(import.meta.dirname, 'app.ts'),
  known: ['It has no receiver of logout tokens; the application checks them with jose, as the standard says.']
})
