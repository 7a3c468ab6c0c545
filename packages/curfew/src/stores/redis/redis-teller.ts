import type { SessionId } from '../../core/ids.ts'
import type { ArtifactService, Fact, Replication, ReplicatedService } from '../fact.ts'

/** Writes facts for other regions as the functions take them; empty: nobody is told. */
export interface RedisTeller {
  /** The group of this store, empty where it does not replicate. */
  readonly group: string
  isTold(service: ReplicatedService): boolean
  fact(fact: Fact): string
  /** A fact to which a function adds what only it knows: without its closing brace. */
  beginning(fact: { readonly kind: Fact['kind']; readonly service: ReplicatedService } & Readonly<Record<string, unknown>>): string
  /** The beginning of the fact about an artifact, up to its kind and id; empty for kinds that stay here. */
  artifact(kind: string, id: string): string
  artifactService(kind: string): ArtifactService | undefined
  /** How long another region has to end this session of its own when a limit passes, in milliseconds; empty for one of ours. */
  takeOverMs(sessionId: SessionId): string
}

export function createTeller(replication: Replication | undefined): RedisTeller {
  const isTold = (service: ReplicatedService): boolean => replication?.services[service] === true
  const artifactService = (kind: string): ArtifactService | undefined => {
    const service = replication?.artifacts[kind]
    return service !== undefined && isTold(service) ? service : undefined
  }
  return {
    group: replication?.group ?? '',
    isTold,
    fact: (fact) => (fact.service !== 'revocations' && isTold(fact.service) ? JSON.stringify(fact) : ''),
    beginning: (fact) => (isTold(fact.service) ? JSON.stringify(fact).slice(0, -1) : ''),
    artifact(kind, id) {
      const service = artifactService(kind)
      return service === undefined ? '' : `{"kind":"artifact","service":"${service}","artifact":${JSON.stringify({ kind, id }).slice(0, -1)}`
    },
    artifactService,
    takeOverMs: (sessionId) => (replication === undefined || sessionId.charAt(4) === replication.group ? '' : String(replication.takeOverMs))
  }
}
